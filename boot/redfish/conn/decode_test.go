package conn

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stmcginnis/gofish/schemas"

	"github.com/gitmetal/ingot/internal/secret"
)

func TestMessages(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		body string
		want []message
	}{
		"a list": {`{"error":{"@Message.ExtendedInfo":[{"MessageId":"Base.1.0.NoOp","Message":"nothing"}]}}`, []message{{MessageID: "Base.1.0.NoOp", Message: "nothing"}}},
		"one object (iDRAC)": {`{"error":{"@Message.ExtendedInfo":{"MessageId":"SYS518","MessageArgs":[1,"a"]}}}`, []message{
			{MessageID: "SYS518", MessageArgs: []any{1.0, "a"}},
		}},
		"no info":          {`{"error":{"code":"Base.1.0.GeneralError","message":"broken"}}`, []message{{MessageID: "Base.1.0.GeneralError", Message: "broken"}}},
		"no code (DGX)":    {`{"error":{"message":"broken"}}`, []message{{Message: "broken"}}},
		"a second one":     {`{"error":{"message":"broken"}} {"other":1}`, []message{{Message: "broken"}}},
		"HTML":             {`<html>`, nil},
		"nothing":          {``, nil},
		"error is a text":  {`{"error":"broken"}`, []message{{Message: "broken"}}},
		"info is a number": {`{"error":{"message":"broken","@Message.ExtendedInfo":7}}`, []message{{Message: "broken"}}},
	}
	for name, test := range tests {
		if diff := cmp.Diff(test.want, parseMessages([]byte(test.body))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestResolve(t *testing.T) {
	t.Parallel()
	c, err := Open(Config{Address: "https://bmc.example:8443/redfish/v1", Username: "a", Password: secretOf("b")})
	if err != nil {
		t.Fatal(err)
	}
	for link, want := range map[string]string{
		"/redfish/v1/Systems/1":                             "/redfish/v1/Systems/1",
		"/redfish/v1/Systems?$skip=10#x":                    "/redfish/v1/Systems?$skip=10",
		"https://bmc.example:8443/redfish/v1/TaskService/1": "/redfish/v1/TaskService/1",
		"https://BMC.example:8443/redfish/v1":               "/redfish/v1",
		"https://bmc.example/redfish/v1":                    "", // another port
		"http://bmc.example:8443/redfish/v1":                "",
		"//other.example/redfish/v1":                        "",
		"https://a:b@bmc.example:8443/redfish/v1":           "",
		"Systems/1":           "",
		"":                    "",
		"javascript:alert(1)": "",
		"/redfish/v1/\x00":    "",
	} {
		got, err := c.resolveLink(link)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("resolve(%q) = %q, %v, want %q", link, got, err, want)
		}
	}
}

func TestDecodeLeavesOutWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	got, dropped, err := decodeDocument[schemas.ComputerSystem]([]byte(`{"PowerState":"On","SerialNumber":7,"Manufacturer":"x","ProcessorSummary":[]}`))
	if err != nil || string(got.PowerState) != "On" || got.Manufacturer != "x" || len(dropped) != 2 {
		t.Errorf("decode = %+v, %v, %v, want power and manufacturer, two members left out", got, dropped, err)
	}
	if _, _, err := decodeDocument[schemas.ComputerSystem]([]byte(`[]`)); err == nil {
		t.Error("a list was taken for a system")
	}
}

// FuzzAnswer feeds arbitrary bytes to everything that reads a BMC's answer: it must not crash, and
// what is read must be an object.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"@odata.id":"/redfish/v1/Systems/1","PowerState":"Off","Boot":{"BootSourceOverrideTarget":"Cd"},"Links":{"ManagedBy":[{"@odata.id":"/m"}]}}`,
		`{"error":{"code":"x","@Message.ExtendedInfo":[{"MessageId":"Base.1.0.Success","RelatedProperties":["#/Image"]}]}}`,
		`{"Members":[{"@odata.id":"/a"},{}],"Members@odata.nextLink":"/b"}`, `{"Actions":{"#ComputerSystem.Reset":{"target":3}}}`, `null`, `{"a":1}{"b":2}`,
	} {
		f.Add([]byte(seed))
	}
	c, err := Open(Config{Address: "https://bmc.example", Username: "a", Password: secretOf("b")})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got := answer{status: 200, body: body}
		_ = c.checkAnswer("fuzz", got)
		_ = c.refusalError("fuzz", got).Error()
		_, _ = c.readRoot(body)
		_, _, _ = decodeDocument[schemas.VirtualMedia](body)
		_, _, _ = decodeDocument[schemas.Collection](body)
		system, _, err := decodeDocument[schemas.ComputerSystem](body)
		if err == nil && system.PowerState != "" && !bytes.Contains(body, []byte("{")) {
			t.Errorf("%q was read as a machine that is %s", body, system.PowerState)
		}
	})
}

func secretOf(text string) secret.Value { return secret.New(text) }
