//go:build e2e

package page_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/internal/daemon/consoles"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/reconcile/status"
)

// fits checks that nothing sticks out to the side, whatever is shown, and that fingers hit what they aim at.
func (p *tab) fits(what string) {
	p.Helper()
	if wide := value[int](p, "document.documentElement.scrollWidth"); wide > 390 {
		p.Errorf("%s is %d pixels wide on a phone of 390", what, wide)
	}
	const small = `[...document.querySelectorAll('button, input, td a, #people-list a, #close, #serial-whole')].filter(e => e.offsetParent && e.getBoundingClientRect().height < 44).map(e => e.outerHTML).slice(0, 3)`
	if elements := value[[]string](p, small); len(elements) > 0 {
		p.Errorf("%s: too small for a finger: %q", what, elements)
	}
}

// looks shows the page in light and dark, wide and on a phone, and checks what can be measured of it.
func (p *tab) looks(what string) {
	p.Helper()
	colours := map[string]bool{}
	for _, scheme := range []string{"light", "dark"} {
		p.scheme(scheme)
		p.do(chromedp.EmulateViewport(1280, 900))
		p.shoot(what + "-" + scheme)
		p.contrast(what + " " + scheme)
		p.phone()
		p.shoot(what + "-phone-" + scheme)
		p.fits(what)
		colours[value[string](p, `getComputedStyle(document.body).backgroundColor + getComputedStyle(document.body).color`)] = true
	}
	if len(colours) != 2 {
		p.Errorf("%s has the same colours in light and dark: %v", what, colours)
	}
}

// contrast measures every text against the nearest background behind it: at least 4.5 to 1 (WCAG 2.2, 1.4.3).
func (p *tab) contrast(what string) {
	p.Helper()
	const measure = `(() => {
		const channels = text => text.match(/[\d.]+/g).map(Number);
		const light = ([r, g, b]) => [r, g, b].map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4).reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
		const behind = e => { for (; e; e = e.parentElement) { const c = channels(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] === 1) return c; } return [255, 255, 255]; };
		const poor = [];
		for (const e of document.querySelectorAll('body *')) {
			if (!e.offsetParent || ![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())) continue;
			const [a, b] = [light(channels(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
			if ((a + 0.05) / (b + 0.05) < 4.5) poor.push(((a + 0.05) / (b + 0.05)).toFixed(2) + ' ' + e.outerHTML.slice(0, 120));
		}
		return poor;
	})()`
	if poor := value[[]string](p, measure); len(poor) > 0 {
		p.Errorf("%s: hard to read:\n%s", what, strings.Join(poor, "\n"))
	}
}

func TestLooks(t *testing.T) {
	t.Parallel()
	p := open(t, rolling().serve(t).url)
	p.until("all hosts", `document.querySelectorAll('#hosts-body tr').length === 44`)
	p.looks("board")
	value[any](p, `document.querySelector('#hosts-title').scrollIntoView() ?? 0`)
	p.looks("hosts")
	p.goTo("#web-03")
	p.until("the timeline", `document.querySelectorAll('#host-story li').length === 6`)
	p.looks("host")
}

// What stands on the board: who waits for a person, rings, what came of the last commits; failures first.
func TestTheBoard(t *testing.T) {
	t.Parallel()
	p := open(t, rolling().serve(t).url)
	p.until("all hosts", `document.querySelectorAll('#hosts-body tr').length === 44`)
	for selector, want := range map[string][]string{
		"#notices":      {"Commit 3333333333 is refused and changes nothing", "hosts/x.yaml:3:5"},
		"#phases":       {"1 Failed", "1 Held", "1 Installing", "40 Active"},
		"#people":       {"canary-2", "Input/output error", "web-03", `consent: {erase: "5000c500a1b2c3d4/9f3ac41be7705d12"}`, "in hosts/web-03.yaml", "git tag -s -m ok countersign/v2/$USER v2 && git push origin countersign/v2/$USER"},
		"#rings-body":   {"canary", "v2 2222222222", "1 of 2", "1 Failed", "1 Held, 1 Pending", "no ring 1 Installing, 40 Active", "paused: canary-2 failed"},
		"#hosts-body":   {"43% of 1600 MB"},
		"#connection":   {""},
		"#acts-list":    {"jo (uid 1000) re-pinned tag v2"},
		"#commits-body": {"web: a newer image", "web-04", "canary-2", "db-01, db-02", "and 33 more"},
	} {
		text := strings.Join(strings.Fields(p.says(selector)), " ")
		for _, part := range want {
			if !strings.Contains(text, part) {
				t.Errorf("%s does not say %q: %s", selector, part, text)
			}
		}
	}
	if names := value[[]string](p, `[...document.querySelectorAll('#hosts-body td:first-child')].slice(0, 5).map(e => e.textContent)`); fmt.Sprint(names) != "[canary-2 web-03 web-05 web-04 db-01]" {
		t.Errorf("the first hosts are %v: failures and holds come first", names)
	}
	value[any](p, `[...document.querySelectorAll('#phases button')].find(b => b.textContent.includes('Pending')).click() ?? 0`)
	p.until("pending hosts alone", `document.querySelectorAll('#hosts-body tr').length === 1 && document.querySelector('#phases [aria-pressed=true]').textContent.includes('Pending')`)
	value[any](p, `(() => { const f = document.querySelector('#filter'); f.value = 'nothing like that'; f.dispatchEvent(new Event('input')); })() ?? 0`)
	p.until("a word on nothing found", `document.querySelector('#hosts-more').textContent.startsWith('No host is like that.')`)
}

// A screen reader finds its way: one heading of the first level, none left out, tables with names and headers, regions with names.
func TestTheBoardIsAccessible(t *testing.T) {
	t.Parallel()
	p := open(t, rolling().serve(t).url)
	p.until("all hosts", `document.querySelectorAll('#hosts-body tr').length === 44`)
	p.goTo("#web-03")
	p.until("the timeline", `document.querySelectorAll('#host-story li').length === 6`)
	for what, wrong := range map[string]string{
		"headings that skip a level":        `[...document.querySelectorAll('h1,h2,h3')].map(h => +h.tagName[1]).filter((level, i, all) => i === 0 ? level !== 1 : level > all[i - 1] + 1 || level === 1).map(String)`,
		"sections without a name":           `[...document.querySelectorAll('section, aside, table, input, progress, a, button')].filter(e => !(e.getAttribute('aria-label') || e.getAttribute('aria-labelledby') || e.textContent.trim())).map(e => e.outerHTML)`,
		"names of nothing":                  `[...document.querySelectorAll('[aria-labelledby]')].filter(e => !document.getElementById(e.getAttribute('aria-labelledby'))).map(e => e.outerHTML.slice(0, 200))`,
		"columns without a scope":           `[...document.querySelectorAll('th:not([scope=col])')].map(e => e.outerHTML)`,
		"rows with other cells than heads":  `[...document.querySelectorAll('tbody tr')].filter(tr => tr.children.length !== tr.closest('table').querySelectorAll('th').length).map(e => e.outerHTML)`,
		"identifiers that occur twice":      `[...document.querySelectorAll('[id]')].map(e => e.id).filter((id, i, all) => all.indexOf(id) !== i)`,
		"phases told by their colour alone": `[...document.querySelectorAll('#hosts-body .phase')].filter(e => !e.classList.contains(e.textContent)).map(e => e.outerHTML)`,
		"live regions that are missing":     `['#connection[role=status]', '#hosts-more[role=status]', '#notices[aria-live=polite]', '#host-console[role=log]'].filter(s => !document.querySelector(s))`,
	} {
		if got := value[[]string](p, wrong); len(got) > 0 {
			t.Errorf("%s: %q", what, got)
		}
	}
	if focused := value[string](p, "document.activeElement.id"); focused != "host-name" {
		t.Errorf("a host was opened, and the focus is at %q", focused)
	}
	p.do(chromedp.KeyEvent("\x1b"))
	p.until("Escape to close it and give the focus back", `document.querySelector('#host').hidden && document.activeElement.dataset.key === 'web-03' && location.hash === ''`)
}

// Whatever a fleet, a commit, a BMC or a machine says, the browser runs none of it, and makes no element of it.
func TestWordsAreText(t *testing.T) {
	t.Parallel()
	const hostile = `<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>"'><svg onload=window.pwned=1><a href="javascript:window.pwned=1">x</a>{{7*7}}${7*7}`
	s := rolling()
	h := hostIn(plan.Held, hostile)
	h.Hold = &status.Hold{Message: hostile, Consent: []string{hostile}}
	h.Error, h.Waits, h.Workload, h.File, h.Ring, h.Pending, h.Metadata.Labels = hostile, hostile, hostile, hostile, hostile, hostile, map[string]string{hostile: hostile}
	h.Installed.Disk.WWN, h.Installed.Workload = hostile, hostile
	s.hosts = []daemon.HostView{h, {Document: status.Document{Metadata: status.Metadata{Name: "__proto__"}, Phase: plan.Phase(hostile)}}}
	s.fleet.Title, s.fleet.Findings, s.fleet.Frozen, s.fleet.Source, s.fleet.Publish, s.fleet.Paused = hostile, []string{hostile}, hostile, hostile, hostile, hostile
	s.fleet.Commits[0].Title, s.fleet.Rings[0].Tag, s.fleet.Rings[0].Paused, s.fleet.Rings[0].Name = hostile, hostile, hostile, hostile
	s.fleet.Acts[0].By, s.fleet.Acts[0].What = hostile, hostile
	s.story.Steps[0].Text, s.story.Steps[0].Phase, s.story.Console = hostile, hostile, []string{hostile}
	s.story.Serial.Text, s.story.Serial.Lines = hostile, []string{hostile}
	p := open(t, s.serve(t).url)
	p.until("both hosts", `document.querySelectorAll('#hosts-body tr').length === 2`)
	value[any](p, `[...document.querySelectorAll('#hosts-body a')].find(a => a.textContent.includes('img')).click() ?? 0`)
	p.until("the timeline", `document.querySelectorAll('#host-story li').length === 6`)
	if name := p.says("#host-name"); name != hostile {
		t.Errorf("the host is called %q, want it in its own words", name)
	}
	if made := value[[]string](p, `[...document.querySelectorAll('body img, body script, body svg, a[href^="javascript:"]')].map(e => e.outerHTML)`); len(made) > 0 {
		t.Errorf("words became elements: %q", made)
	}
	if value[bool](p, "window.pwned !== undefined") {
		t.Error("words were run")
	}
	p.looks("hostile")
}

// The serial console is followed without an event, stays at its end, leaves alone what is chosen to be copied, and says why it is not read.
func TestTheSerialConsole(t *testing.T) {
	t.Parallel()
	s := rolling()
	p := open(t, s.serve(t).url+"#web-03")
	const end = `(() => { const e = document.querySelector('#host-serial'); return e.scrollHeight > e.clientHeight && e.scrollTop + e.clientHeight >= e.scrollHeight - 4; })()`
	p.until("the console at its end", `document.querySelector('#host-serial').textContent.endsWith('web-03 login:') && `+end)
	if link := value[string](p, `document.querySelector('#serial-whole').getAttribute('href')`); link != "v1/hosts/id:web-03/console" {
		t.Errorf("the whole log is at %q", link)
	}
	value[any](p, `document.querySelector('#serial-title').scrollIntoView() ?? 0`)
	p.looks("serial")
	more := serialConsole()
	more.Lines = append(more.Lines, "kernel: Oops")
	s.tells(more)
	p.until("the next line, and the end", `document.querySelector('#host-serial').textContent.endsWith('kernel: Oops') && `+end)

	value[any](p, `(document.querySelector('#host-serial').scrollTop = 10) ?? 0`)
	p.until("the place that was scrolled to", `document.querySelector('#host-serial').scrollTop === 10`)
	more.Lines = append(more.Lines, "kernel: panic")
	s.tells(more)
	p.until("the line after", `document.querySelector('#host-serial').textContent.endsWith('kernel: panic')`)
	if at := value[int](p, `document.querySelector('#host-serial').scrollTop`); at != 10 {
		t.Errorf("what somebody reads was scrolled to %d", at)
	}

	value[any](p, `getSelection().selectAllChildren(document.querySelector('#host-serial')) ?? 0`)
	more.Lines = append(more.Lines, "later")
	more.Text = "It is read on."
	s.tells(more)
	p.until("the next state", `document.querySelector('#serial-text').textContent === 'It is read on.'`)
	if value[bool](p, `document.querySelector('#host-serial').textContent.includes('later')`) {
		t.Error("what was chosen to be copied was replaced")
	}
	value[any](p, `getSelection().removeAllRanges() ?? 0`)
	p.until("the line that waited", `document.querySelector('#host-serial').textContent.endsWith('later')`)

	s.tells(consoles.Serial{State: consoles.Reads, Text: "It is read since 2026-01-02T12:00:00Z.", Lines: []string{}})
	p.until("a word on a machine that said nothing", `document.querySelector('#host-serial').textContent === 'It said nothing yet.' && document.querySelector('#serial-more').hidden`)
	s.tells(consoles.Serial{State: consoles.Waits, Text: "10.0.0.13:2200 shows the host key SHA256:uJH4mYxk+7f0oVhyIJm1dyKLBoGBqXJHmWbDYEmzP8c: no password was sent.", Lines: []string{}})
	p.until("a word on the key", `document.querySelector('#serial-text').textContent.includes('SHA256:uJH4') && document.querySelector('#host-serial').hidden`)
	p.looks("serial-key")
}

// A fleet of 10,000 hosts can be looked at, filtered, and followed.
func TestTenThousandHosts(t *testing.T) {
	t.Parallel()
	s := rolling()
	for i := range 10_000 {
		s.hosts = append(s.hosts, hostIn(plan.Active, fmt.Sprintf("node-%05d", i)))
	}
	p := open(t, s.serve(t).url)
	p.until("the first 500", `document.querySelectorAll('#hosts-body tr').length === 500`)
	if more := p.says("#hosts-more"); more != "…and 9544 more: filter to see them" {
		t.Errorf("the page says %q of the others", more)
	}
	value[any](p, `(() => { const f = document.querySelector('#filter'); f.value = 'node-09999'; f.dispatchEvent(new Event('input')); })() ?? 0`)
	p.until("the one host", `document.querySelectorAll('#hosts-body tr').length === 1`)
	changed := hostIn(plan.Failed, "node-09999")
	changed.Error = "gone wrong"
	s.events <- daemon.Event{Host: &changed}
	p.until("the change", `document.querySelector('#hosts-body').textContent.includes('gone wrong')`)
	p.phone()
	p.fits("a large fleet")
	p.shoot("large-phone")
}

// Three thousand machines behind a dead switch are one line with a count, and so are 200 that need the same consent; a button lists them one by one.
func TestHostsThatAreAlike(t *testing.T) {
	t.Parallel()
	s := rolling()
	for i := range 3000 {
		h := hostIn(plan.Waiting, fmt.Sprintf("node-%05d", i))
		h.Hold = &status.Hold{Reason: change.BMCUnreachable, Message: "the BMC does not answer: no route to host"}
		s.hosts = append(s.hosts, h)
	}
	for i := range 200 {
		h := hostIn(plan.Held, fmt.Sprintf("app-%03d", i))
		h.Workload = "app"
		h.Hold = &status.Hold{Reason: change.NeedsConsent, Message: "this would erase disk 5000c500a1b2c3d4", Consent: []string{"5000c500a1b2c3d4/9f3ac41be7705d12"}}
		s.hosts = append(s.hosts, h)
	}
	p := open(t, s.serve(t).url)
	p.until("the groups", `document.querySelectorAll('#people-list li').length === 4 && document.title === '(3202) ingot'`)
	for selector, want := range map[string][]string{
		"#people-list": {"3000 hosts Waiting BMCUnreachable: node-00000, node-00001", "and 2992 more", "The first: the BMC does not answer: no route to host",
			"200 hosts Held NeedsConsent: app-000", "ingot consent --workload app", "canary-2", "web-03"},
		"#hosts-body": {"List the 3000 hosts", "List the 200 hosts", "db-40"},
	} {
		text := strings.Join(strings.Fields(p.says(selector)), " ")
		for _, part := range want {
			if !strings.Contains(text, part) {
				t.Errorf("%s does not say %q: %.2000s", selector, part, text)
			}
		}
	}
	if rows := value[int](p, `document.querySelectorAll('#hosts-body tr').length`); rows != 46 {
		t.Errorf("%d rows, want 44 hosts and two groups", rows)
	}
	p.looks("alike")
	value[any](p, `[...document.querySelectorAll('#people-list button')].find(b => b.textContent === 'List the 200 hosts').click() ?? 0`)
	p.until("the hosts of the group", `document.querySelectorAll('#hosts-body tr').length === 200 && document.querySelector('#hosts-only').textContent.includes('ingot status --phase Held --cause NeedsConsent')`)
	p.looks("alike-listed")
	value[any](p, `document.querySelector('#hosts-only button').click() ?? 0`)
	p.until("all hosts again", `document.querySelectorAll('#hosts-body tr').length === 46 && document.querySelector('#hosts-only').textContent === ''`)
}

// A fleet without hosts, a host that nobody knows, a daemon that is away: each is said.
func TestEmptyStates(t *testing.T) {
	t.Parallel()
	s := (&script{}).serve(t)
	p := open(t, s.url+"#nobody")
	p.until("a word on no commit", `document.querySelector('#commit').textContent === 'no commit is accepted yet' && document.querySelector('#hosts-more').textContent.startsWith('There are no hosts yet.')`)
	p.until("a word on the unknown host", `document.querySelector('#host-hold').textContent === 'There is no host of this name.'`)
	p.looks("empty")
	gone := open(t, s.url)
	gone.until("the board", `document.querySelector('#commit').textContent === 'no commit is accepted yet'`)
	s.end()
	gone.until("a word on the daemon that is away", `document.querySelector('#connection').textContent.startsWith('The daemon does not answer: what you see is old.')`)
	gone.looks("away")
}

// A daemon from which nothing comes any more, as behind a cable that was pulled, is away; when it speaks again, it is back.
func TestSilence(t *testing.T) {
	t.Parallel()
	s := (&script{}).serve(t)
	p := open(t, s.url)
	p.until("the board", `document.querySelector('#commit').textContent === 'no commit is accepted yet'`)
	value[string](p, `document.documentElement.dataset.silence = '100'`)
	s.events <- daemon.Event{All: true}
	p.until("a word on the silence", `document.querySelector('#connection').textContent.startsWith('The daemon does not answer')`)
	value[string](p, `document.documentElement.dataset.silence = '60000'`)
	p.until("the daemon to be back", `document.querySelector('#connection').textContent === ''`)
}
