package ipmi

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// Codes of commands about users.
const (
	codeSetUserAccess   byte = 0x43
	codeGetUserAccess   byte = 0x44
	codeSetUserName     byte = 0x45
	codeGetUserName     byte = 0x46
	codeSetUserPassword byte = 0x47
)

// Privilege is the most that a user may do on a channel (table 6-4).
type Privilege byte

// Privileges.
const (
	PrivilegeCallback      Privilege = 1
	PrivilegeUser          Privilege = 2
	PrivilegeOperator      Privilege = 3
	PrivilegeAdministrator Privilege = 4
	PrivilegeNone          Privilege = 0x0f
)

// UserStatus says whether a user may log in anywhere.
type UserStatus byte

// Statuses of table 22-32. An older BMC, which says StatusUnknown, tells by the access alone.
const (
	StatusUnknown  UserStatus = 0
	StatusEnabled  UserStatus = 1
	StatusDisabled UserStatus = 2
)

// Access is what a user may do on a channel, with the sizes of the BMC's table of users.
type Access struct {
	MostUsers int // places of users, numbered from 1
	Enabled   int // users that are enabled
	Fixed     int // users whose names cannot be changed, from 1 on
	Status    UserStatus
	Messaging bool // the user may send IPMI messages on the channel
	LinkAuth  bool
	Callback  bool // only callback
	Privilege Privilege
}

// GetUserAccess asks what a user may do on a channel (section 22.27).
func GetUserAccess(channel, user byte) Command[Access] {
	return Command[Access]{Request{"Get User Access", netFnApp, codeGetUserAccess, []byte{channel & 0x0f, user & 0x3f}},
		func(d []byte) (Access, error) {
			if len(d) < 4 {
				return Access{}, ErrShort
			}
			return Access{MostUsers: int(d[0] & 0x3f), Status: UserStatus(d[1] >> 6), Enabled: int(d[1] & 0x3f),
				Fixed: int(d[2] & 0x3f), Callback: d[3]&0x40 != 0, LinkAuth: d[3]&0x20 != 0, Messaging: d[3]&0x10 != 0,
				Privilege: Privilege(d[3] & 0x0f)}, nil
		}}
}

// SetUserAccess sets what a user may do on a channel (section 22.26). Administrator and messaging go together;
// PrivilegeNone takes both away.
func SetUserAccess(channel, user byte, privilege Privilege) Command[Done] {
	first := 0x80 | channel&0x0f // change the bits of this byte
	if privilege != PrivilegeNone {
		first |= 0x30 // link authentication and messaging
	}
	return Command[Done]{Request{"Set User Access", netFnApp, codeSetUserAccess,
		[]byte{first, user & 0x3f, byte(privilege) & 0x0f}}, parseDone}
}

// MaxName is the length in bytes of a user's name.
const MaxName = 16

// GetUserName asks for a user's name (section 22.29); "" where the user has none. A name that is no text comes with
// every odd byte as a question mark: such a name is a name of somebody.
func GetUserName(user byte) Command[string] {
	return Command[string]{Request{"Get User Name", netFnApp, codeGetUserName, []byte{user & 0x3f}},
		func(d []byte) (string, error) {
			if len(d) < 1 {
				return "", ErrShort
			}
			d = d[:min(len(d), MaxName)]
			if end := bytes.IndexByte(d, 0); end >= 0 {
				if len(bytes.Trim(d[end:], "\x00")) > 0 && end == 0 {
					return "?", nil // bytes behind an early end: not empty
				}
				d = d[:end]
			}
			if len(bytes.Trim(d, "\xff")) == 0 {
				return "", nil // some BMCs fill an empty place with ff
			}
			return strings.Map(func(r rune) rune {
				if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
					return '?'
				}
				return r
			}, string(d)), nil
		}}
}

// SetUserName sets a user's name (section 22.28); "" clears the name.
func SetUserName(user byte, name string) (Command[Done], error) {
	if len(name) > MaxName {
		return Command[Done]{}, fmt.Errorf("a BMC's user has a name of at most %d bytes", MaxName)
	}
	data := append([]byte{user & 0x3f}, make([]byte, MaxName)...)
	copy(data[1:], name)
	return Command[Done]{Request{"Set User Name", netFnApp, codeSetUserName, data}, parseDone}, nil
}

// Sizes of a password in a message, in bytes.
const (
	shortPassword = 16
	longPassword  = 20
)

// Operations of Set User Password (section 22.30).
const (
	opDisable byte = 0
	opEnable  byte = 1
	opSet     byte = 2
	opTest    byte = 3
)

// SetPassword sets a user's password of at most 20 bytes: a password of more than 16 bytes goes as one of 20.
func SetPassword(user byte, password string) (Command[Done], error) {
	return passwordCommand("Set User Password (set)", user, opSet, password)
}

// TestPassword asks whether the BMC keeps this password. See WantsAnotherPassword for the answer no.
func TestPassword(user byte, password string) (Command[Done], error) {
	return passwordCommand("Set User Password (test)", user, opTest, password)
}

func passwordCommand(name string, user, operation byte, password string) (Command[Done], error) {
	size, first := shortPassword, user&0x3f
	if len(password) > shortPassword {
		size, first = longPassword, user&0x3f|0x80
	}
	if len(password) > longPassword || password == "" {
		return Command[Done]{}, errors.New("a BMC's user has a password of 1 to 20 bytes")
	}
	data := append([]byte{first, operation}, make([]byte, size)...)
	copy(data[2:], password)
	return Command[Done]{Request{name, netFnApp, codeSetUserPassword, data}, parseDone}, nil
}

// EnableUser lets a user log in.
func EnableUser(user byte) Command[Done] {
	return Command[Done]{Request{"Set User Password (enable)", netFnApp, codeSetUserPassword,
		[]byte{user & 0x3f, opEnable}}, parseDone}
}

// DisableUser lets a user log in no more.
func DisableUser(user byte) Command[Done] {
	return Command[Done]{Request{"Set User Password (disable)", netFnApp, codeSetUserPassword,
		[]byte{user & 0x3f, opDisable}}, parseDone}
}

// Padded is an EnableUser or DisableUser with an empty password behind, which some BMCs ask for by CodeLength. The
// specification says that a BMC ignores those bytes.
func Padded(c Command[Done]) Command[Done] {
	c.Data = append(bytes.Clone(c.Data), make([]byte, shortPassword)...)
	return c
}
