package format

import "bytes"

// cutMinReader takes the member minReader out of the JSON of an object, so that a value without unknown members is
// decoded at once. JSON without the member, or with the member in a form that Marshal does not write, is given back as
// it is.
func cutMinReader(data []byte) (rest, needed []byte) {
	key := []byte(`"` + minReader + `":`)
	if !bytes.Contains(data, key) {
		return data, nil
	}
	depth, inString := 0, false
	for at := 0; at < len(data); at++ {
		switch c := data[at]; {
		case inString && c == '\\':
			at++
		case c == '"' && !inString && depth == 1 && startsMember(data, at) && bytes.HasPrefix(data[at:], key):
			return cutMember(data, at, at+len(key))
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		}
	}
	return data, nil
}

// startsMember reports whether a name, and not a value, starts at a place in compact JSON.
func startsMember(data []byte, at int) bool {
	return at > 0 && (data[at-1] == '{' || data[at-1] == ',')
}

// cutMember takes a member with a number out of compact JSON: the name starts at from, the number at number.
func cutMember(data []byte, from, number int) (rest, value []byte) {
	end := number
	for end < len(data) && data[end] >= '0' && data[end] <= '9' {
		end++
	}
	switch {
	case end == number || end == len(data):
		return data, nil
	case data[end] == ',':
		return append(bytes.Clone(data[:from]), data[end+1:]...), data[number:end]
	case data[end] == '}' && data[from-1] == ',':
		return append(bytes.Clone(data[:from-1]), data[end:]...), data[number:end]
	case data[end] == '}':
		return append(bytes.Clone(data[:from]), data[end:]...), data[number:end]
	default:
		return data, nil
	}
}
