package wire

import "strings"

// ArgumentVariable is the name of the variable with an argument: INGOT_ARG_ and the argument's name in upper case, with _ for
// other characters than letters and digits.
func ArgumentVariable(argument string) string {
	return "INGOT_ARG_" + strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z':
			return r - 'a' + 'A'
		case 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
			return r
		default:
			return '_'
		}
	}, argument)
}
