package sim

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/gitmetal/ingot/inventory/gitrepo/tags"
)

// Releases: the rings of a fleet follow tags, and where two must sign what erases, a second person countersigns a tag. People
// tag, move tags, delete tags, and take countersignatures back.

// The people who sign tags.
const (
	releaser      = "jo"
	countersigner = "ann"
	stranger      = "mallory" // whom the daemon's configuration does not name
)

// pushed is a tag, or a countersignature, that was on the server.
type pushed struct {
	tag     string // of the release
	object  plumbing.Hash
	commit  plumbing.Hash // of a release
	of      plumbing.Hash // tag object that a countersignature is of
	signer  string        // "" for an unsigned one
	removed time.Duration // when it was deleted or moved; 0 while it is there
}

// releases are what the rings of a fleet follow.
type releases struct {
	w          *world
	twoSigners bool
	dice       *dice
	number     int
	tags       []*pushed
	counters   []*pushed
}

const tagPattern = "prod-*"

// startReleases makes the first release of a fleet whose rings follow tags.
func (w *world) startReleases() {
	d := newDice(w.seed, "releases")
	w.releases = &releases{w: w, dice: d, twoSigners: d.chance(0.6)}
}

// release tags a commit with the next number, and countersigns it now or later.
func (r *releases) release(commit plumbing.Hash) {
	signer := releaser
	switch {
	case r.w.healing:
	case r.twoSigners && r.dice.chance(0.1):
		signer = choose(r.dice, []string{"", stranger})
	case !r.twoSigners && r.dice.chance(0.5):
		signer = ""
	}
	r.number++
	name := fmt.Sprintf("prod-%d", r.number)
	object := r.w.git.tag(name, commit, plumbing.CommitObject, signer)
	r.tags = append(r.tags, &pushed{tag: name, object: object, commit: commit, signer: signer})
	r.w.say("a person releases %.8s as %s, signed by %q", commit, name, signer)
	if r.twoSigners && (r.w.healing || r.dice.chance(0.4)) {
		r.countersign(countersigner)
	}
	r.w.refreshDaemons()
}

// newest is the release with the highest number that is on the server; nil without one.
func (r *releases) newest() *pushed {
	for i := len(r.tags) - 1; i >= 0; i-- {
		if t := r.tags[i]; t.removed == 0 {
			return t
		}
	}
	return nil
}

// countersign signs the newest release as another person, or as the same one, which does not count.
func (r *releases) countersign(signer string) bool {
	t := r.newest()
	if t == nil || r.w.git.ref("countersign/"+t.tag+"/"+signer) != plumbing.ZeroHash {
		return false
	}
	name := "countersign/" + t.tag + "/" + signer
	object := r.w.git.tag(name, t.object, plumbing.TagObject, signer)
	r.counters = append(r.counters, &pushed{tag: t.tag, object: object, of: t.object, signer: signer})
	r.w.say("%s countersigns %s", signer, t.tag)
	r.w.refreshDaemons()
	return true
}

// withdraw deletes the countersignatures of the newest release.
func (r *releases) withdraw() (did bool) {
	for _, c := range r.counters {
		if t := r.newest(); t != nil && c.removed == 0 && c.of == t.object {
			r.w.git.deleteTag("countersign/" + c.tag + "/" + c.signer)
			c.removed, did = r.w.now, true
			r.w.say("%s takes the countersignature of %s back", c.signer, c.tag)
		}
	}
	r.w.refreshDaemons()
	return did
}

// move points the newest tag at another commit, or deletes it.
func (r *releases) move(to plumbing.Hash) bool {
	t := r.newest()
	if t == nil || to == t.commit {
		return false
	}
	t.removed = r.w.now
	if to.IsZero() {
		r.w.git.deleteTag(t.tag)
		r.w.say("a person deletes tag %s", t.tag)
	} else {
		object := r.w.git.tag(t.tag, to, plumbing.CommitObject, t.signer)
		r.tags = append(r.tags, &pushed{tag: t.tag, object: object, commit: to, signer: t.signer})
		r.w.say("a person moves tag %s to %.8s", t.tag, to)
	}
	r.w.refreshDaemons()
	return true
}

// heal releases the tip of the trunk, countersigned, unless the newest release is that already.
func (r *releases) heal() {
	if t, tip := r.newest(), r.w.git.tip(trunk); t == nil || t.commit != tip || t.signer != releaser && r.twoSigners || r.isTouched(t.tag) {
		r.release(tip)
	}
	if r.twoSigners {
		r.countersign(countersigner)
	}
}

// isTouched reports whether a tag was moved or deleted.
func (r *releases) isTouched(name string) bool {
	for _, t := range r.tags {
		if t.tag == name && t.removed > 0 {
			return true
		}
	}
	return false
}

// Acts with tags.

func releasesTrunk(w *world, _ deed) bool {
	if w.releases == nil {
		return false
	}
	w.releases.release(w.git.tip(trunk))
	return true
}

// releasesOlder is a rollback: a new tag on the commit of an earlier release.
func releasesOlder(w *world, d deed) bool {
	if w.releases == nil {
		return false
	}
	w.releases.release(w.releases.tags[int(d.size*float64(len(w.releases.tags)))].commit)
	return true
}

func movesTag(w *world, d deed) bool {
	if w.releases == nil {
		return false
	}
	return w.releases.move(w.releases.tags[int(d.size*float64(len(w.releases.tags)))].commit)
}

func deletesTag(w *world, _ deed) bool {
	return w.releases != nil && w.releases.move(plumbing.ZeroHash)
}

func countersigns(w *world, d deed) bool {
	r := w.releases
	if r == nil || !r.twoSigners {
		return false
	}
	signer := countersigner
	if d.size < 0.3 {
		signer = choose(r.dice, []string{releaser, stranger})
	}
	return r.countersign(signer)
}

func withdraws(w *world, _ deed) bool { return w.releases != nil && w.releases.withdraw() }

// signers are whose tags count; nil where every tag counts.
func (r *releases) signers() tags.Signers {
	if !r.needTwo() {
		return nil
	}
	return simulatedSigners{}
}

// needTwo reports whether two must sign what erases.
func (r *releases) needTwo() bool { return r != nil && r.twoSigners }

// Signatures. A signature names its signer, and the digest of what is signed.

const beginSignature, endSignature = "-----BEGIN PGP SIGNATURE-----\n", "-----END PGP SIGNATURE-----\n"

// simulatedSigners are the signers that count.
type simulatedSigners struct{}

// Verify implements tags.Signers.
func (simulatedSigners) Verify(signature string, payload []byte) ([]string, error) {
	name, digest, _ := strings.Cut(strings.TrimSpace(strings.TrimSuffix(strings.TrimPrefix(signature, beginSignature), endSignature)), " ")
	switch {
	case signature == "":
		return nil, errors.New("it is not signed")
	case digest != fmt.Sprintf("%x", sha256.Sum256(payload)):
		return nil, errors.New("its signature is of something else")
	case name != releaser && name != countersigner:
		return nil, fmt.Errorf("its signer %s is not allowed", name)
	}
	return []string{name}, nil
}

// tag pushes a tag object, over one with the same name.
func (s *gitServer) tag(name string, target plumbing.Hash, kind plumbing.ObjectType, signer string) plumbing.Hash {
	made := &object.Tag{Name: name, Message: "a tag\n", TargetType: kind, Target: target,
		Tagger: object.Signature{Name: "Ada", Email: "ada@example.com", When: epoch.Add(s.w.now).Round(0)}}
	if signer != "" {
		encoded := &plumbing.MemoryObject{}
		must(made.EncodeWithoutSignature(encoded))
		reader, err := encoded.Reader()
		must(err)
		payload, err := io.ReadAll(reader)
		must(err)
		made.PGPSignature = fmt.Sprintf("%s%s %x\n%s", beginSignature, signer, sha256.Sum256(payload), endSignature)
	}
	encoded := s.store.NewEncodedObject()
	must(made.Encode(encoded))
	hash, err := s.store.SetEncodedObject(encoded)
	must(err)
	s.refs[plumbing.NewTagReferenceName(name)] = hash
	return hash
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func (s *gitServer) deleteTag(name string) { delete(s.refs, plumbing.NewTagReferenceName(name)) }

// ref is what a tag's name points at; zero without one.
func (s *gitServer) ref(tag string) plumbing.Hash { return s.refs[plumbing.NewTagReferenceName(tag)] }

// peel is the commit that a tag resolves to, through tags of tags.
func (s *gitServer) peel(hash plumbing.Hash) plumbing.Hash {
	for {
		tag, err := object.GetTag(s.store, hash)
		if err != nil {
			return hash
		}
		hash = tag.Target
	}
}

// Rules about releases.

// releaseIsGood checks what a daemon runs in each ring: a commit that a tag of the pattern had, signed where signatures count;
// a tag means one commit for ever; and no ring goes back to an older tag.
func (c *checks) releaseIsGood(p *process) {
	r := c.w.releases
	if r == nil {
		return
	}
	fleet, known := p.loop.Fleet()
	if !known {
		return
	}
	for name, ring := range fleet.Rings {
		if ring.Tag == "" {
			continue
		}
		found := false
		for _, t := range r.tags {
			found = found || t.tag == ring.Tag && t.commit.String() == ring.Commit && (!r.twoSigners || t.signer == releaser)
		}
		key := p.d.name + " " + name
		was := c.released[key]
		fresh := was.tag == "" || c.w.memoryLost || c.w.branchMoved // what was seen may be forgotten
		switch {
		case !found:
			c.breaks("a release is a tag", "%s runs %s at %.8s in ring %s, and no tag that counts says so", p.d.name, ring.Tag, ring.Commit, name)
		case fresh:
		case was.tag == ring.Tag && was.commit != ring.Commit:
			c.breaks("a tag means one commit", "%s runs %s at %.8s in ring %s, and ran it at %.8s", p.d.name, ring.Tag, ring.Commit, name, was.commit)
		case numberOf(ring.Tag) < numberOf(was.tag):
			c.breaks("no ring goes back", "%s runs %s in ring %s, after %s", p.d.name, ring.Tag, name, was.tag)
		}
		c.released[key] = releasedAs{ring.Tag, ring.Commit}
	}
}

// releasedAs is a tag, and the commit that it had.
type releasedAs struct{ tag, commit string }

func numberOf(tag string) (number int) {
	_, _ = fmt.Sscanf(tag, "prod-%d", &number)
	return number
}

// twoHaveSigned checks that another person than its signer had countersigned the tag on which leave was given for an erase.
func (c *checks) twoHaveSigned(d *disk, given leave) {
	r := c.w.releases
	if r == nil || !r.twoSigners || d.holds == nothing || d.install == operationOf(given.job) {
		return
	}
	s := given.signatures
	for _, counter := range r.counters {
		there := counter.removed == 0 || given.at-counter.removed <= longestStale
		if s != nil && counter.tag == s.Tag && counter.of.String() == s.Object && counter.signer == countersigner && there {
			return
		}
	}
	c.breaks("two have signed", "%s erases %s on disk %s under %+v, which nobody countersigned", given.job, d.label(), d.serial, s)
}
