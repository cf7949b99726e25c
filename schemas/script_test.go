package schemas

import (
	"strings"
	"testing"
)

func TestWhyNotScript(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		"#!/bin/sh\necho\n": "", "#!/usr/bin/env python3": "", "#!/bin/sh\necho 'a\r\n'\n": "",
		"#! /bin/sh\n": "", "#!\n": "names no interpreter", "#!bash\n": "names no interpreter",
		"": "names no interpreter", "echo\n": "names no interpreter", "\xef\xbb\xbf#!/bin/sh\n": "names no interpreter",
		"#!/bin/sh\r\necho\r\n": "end with CR LF", "#!/bin/sh\r": "end with CR LF",
	} {
		why, mend := WhyNotScript("steps/a.sh", []byte(body))
		if want == "" && why != "" || !strings.Contains(why, want) || (why == "") != (mend == "") {
			t.Errorf("%q: %q (%s), want %q", body, why, mend, want)
		}
	}
}
