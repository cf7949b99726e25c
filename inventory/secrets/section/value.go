package section

import (
	"encoding/base64"
	"errors"
	"regexp"
)

// Value is an encrypted value: AES-256-GCM with a nonce of sops' length, and the path as additional data.
type Value struct{ Data, Nonce, Tag []byte }

// Why an encrypted value is not read.
var (
	ErrValue = errors.New("a value cannot be opened: it was changed without sops")
	ErrType  = errors.New("the value is not text: put it in quotes, and encrypt it again")
)

var (
	textValue = regexp.MustCompile(`^ENC\[AES256_GCM,data:(.+),iv:(.+),tag:(.+),type:str\]$`)
	// otherValue matches values of types that are not read.
	otherValue = regexp.MustCompile(`^ENC\[AES256_GCM,.*,type:(int|float|bool|bytes|time)\]$`)
)

// tagLength is the length of the tag of AES-GCM, in bytes.
const tagLength = 16

// ParseValue reads an encrypted text as sops writes it. The errors are ErrValue and ErrType.
func ParseValue(text string) (Value, error) {
	parts := textValue.FindStringSubmatch(text)
	if parts == nil && otherValue.MatchString(text) {
		return Value{}, ErrType
	}
	if parts == nil {
		return Value{}, ErrValue
	}
	var v Value
	for i, field := range []*[]byte{&v.Data, &v.Nonce, &v.Tag} {
		var err error
		if *field, err = base64.StdEncoding.DecodeString(parts[i+1]); err != nil {
			return Value{}, ErrValue
		}
	}
	if len(v.Nonce) == 0 || len(v.Tag) != tagLength {
		return Value{}, ErrValue
	}
	return v, nil
}
