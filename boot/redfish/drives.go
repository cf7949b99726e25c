package redfish

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/stmcginnis/gofish/schemas"

	"github.com/gitmetal/ingot/boot/redfish/conn"
)

// Slot is a virtual drive.
type Slot struct {
	Path     string   `json:"path"`
	ID       string   `json:"id"`
	Types    []string `json:"types,omitempty"` // CD, DVD, USBStick, Floppy
	Inserted bool     `json:"inserted"`
	// Image is the URL as the BMC shows it, or as the Client inserted it last; empty while the drive is empty.
	Image string `json:"image,omitempty"`
	// Usable says that the drive takes a CD image by URL, by action or by PATCH.
	Usable bool `json:"usable"`
	// Protocols are what the BMC declares for TransferProtocolType, for example HTTP and HTTPS; empty if it does not.
	Protocols []string `json:"protocols,omitempty"`
	// Certificates says that the BMC has a place for the authorities of media servers; Verifies, that it checks the
	// certificate of such a server.
	Certificates bool `json:"certificates,omitempty"`
	Verifies     bool `json:"verifies,omitempty"`
	// Leftover is what the BMC shows as the image of an empty drive, for example the name of the last medium.
	Leftover string `json:"leftover,omitempty"`
	// Unread is why the drive could not be read; another drive takes the CD.
	Unread string `json:"unread,omitempty"`
}

// drive is a Slot with gofish's document.
type drive struct {
	conn.Resource[schemas.VirtualMedia]
	Slot
	own          string    // the path by which the document names itself
	certificates string    // link to the authorities that the BMC trusts for media; empty if there is none
	holds        content   // what the document says, before what is known of ejects
	retry        time.Time // when a drive that could not be read is read again
}

// driveMap is what was learned of a BMC's virtual drives. A BMC with another firmware is learned anew.
type driveMap struct {
	paths     []string          // in the BMC's order
	noCD      map[string]drive  // drives that take no CD, as they were read first, and broken ones: not read again
	names     map[string]string // the first name of a drive, by its second name, which is not read
	usable    map[string]bool   // drives that take a CD, of those that were ever read
	emptied   map[string]string // the image that a drive goes on showing after its eject, by path
	inserted  string            // the URL that was inserted last, under one name of one drive
	httpsOnly bool              // media over HTTP were refused
	shown     string            // as which the BMC showed the URL right after the insert
	manager   string            // path of the manager whose firmware counts; empty if there is none
	firmware  string
	session   string    // in which the firmware was read
	checked   time.Time // when the firmware was read

	unfinished map[string]drive // drives of a reading that the caller's deadline cut short
	begun      time.Time        // when that reading began
	last       []drive          // the last whole reading, for a change that follows at once
	ended      time.Time        // when that reading ended
}

// Limits of what is used again of readings of drives.
const (
	resumeWithin  = 2 * time.Minute  // an unfinished reading goes on
	fresh         = 5 * time.Second  // a change begins with the reading that the caller has just made
	brokenPause   = 10 * time.Minute // a drive that the BMC cannot show is asked for again
	firmwareCheck = 30 * time.Minute // where there is no session whose end would tell that the BMC was restarted
)

// Media reads the virtual drives, in the BMC's order, under the System and under its managers. A second name of a drive
// is left out.
func (c *Client) Media(ctx context.Context) ([]Slot, error) {
	drives, err := c.readDrives(c.conn.Call(ctx, "read the virtual media"))
	if err != nil {
		return nil, err
	}
	slots := make([]Slot, 0, len(drives))
	for _, d := range drives {
		slots = append(slots, d.Slot)
	}
	return slots, nil
}

// recentDrives gives the drives as a reading of the last seconds showed them, or reads them. A change begins with such
// a reading, and is checked by a fresh read of its drive.
func (c *Client) recentDrives(w conn.Call) ([]drive, error) {
	c.mu.Lock()
	last, ended := c.drives.last, c.drives.ended
	c.mu.Unlock()
	if last == nil || c.conn.Now().Sub(ended) >= fresh {
		return c.readDrives(w)
	}
	again := slices.Clone(last)
	for i, d := range again {
		if d.Doc == nil { // a broken drive
			continue
		}
		doc := *d.Doc
		doc.SetClient(w) // the look's context is over
		again[i].Doc = &doc
	}
	return again, nil
}

// readDrives reads every virtual drive that may hold a CD. What a reading got before the caller's deadline is kept for
// the next reading: ten slow drives need not be read in one look.
func (c *Client) readDrives(w conn.Call) ([]drive, error) {
	known, err := c.knownDrives(w)
	if err != nil {
		return nil, err
	}
	got := c.resumeReading()
	var found []drive
	var broken error
	for _, at := range known.paths {
		if known.names[at] != "" {
			continue
		}
		d, have := known.noCD[at]
		if !have || !d.retry.IsZero() && !c.conn.Now().Before(d.retry) {
			d, have = got[at]
		}
		if !have {
			if d, err = c.readDrive(w, at); err != nil {
				if conn.IsPart(err) && !known.usable[at] && len(known.paths) > 1 {
					found = append(found, drive{Slot: Slot{Path: at, ID: path.Base(at), Unread: err.Error()},
						retry: c.conn.Now().Add(brokenPause)})
					broken = err
					continue
				}
				return nil, c.interrupted(w, known, got, err)
			}
			got[at] = d
		}
		found = append(found, d)
	}
	if broken != nil && !slices.ContainsFunc(found, func(d drive) bool { return d.Usable }) {
		return nil, c.interrupted(w, known, got, broken)
	}
	return c.learnDrives(found), nil
}

// resumeReading gives the drives that an unfinished reading got, unless it is too old.
func (c *Client) resumeReading() map[string]drive {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.conn.Now()
	if c.drives.unfinished == nil || now.Sub(c.drives.begun) > resumeWithin {
		c.drives.unfinished, c.drives.begun = map[string]drive{}, now
	}
	return maps.Clone(c.drives.unfinished)
}

// interrupted says why a reading ended early, and keeps what it got if the caller's deadline ended it.
func (c *Client) interrupted(w conn.Call, known driveMap, got map[string]drive, err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	said := conn.AsError(err)
	switch {
	case said != nil && said.Status == http.StatusNotFound: // the drives moved: they are looked for the next time
		c.drives = driveMap{}
	case said != nil && said.Kind == Unreachable && w.Over() && len(got) > 0:
		c.drives.unfinished = got
		slow := *said
		slow.Detail = fmt.Sprintf("%d of %d virtual drives were read in the time given", len(got), len(known.paths))
		slow.Hint = "the rest is read at the next look"
		return &slow
	default:
		c.drives.unfinished = nil
	}
	return err
}

// forgetReadings drops what was read before a change.
func (c *Client) forgetReadings() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drives.unfinished, c.drives.last, c.recent = nil, nil, nil
}

// learnDrives ends a whole reading: it keeps which drives take no CD, and leaves out second names of a drive.
func (c *Client) learnDrives(found []drive) []drive {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := &c.drives
	if m.noCD == nil {
		m.noCD, m.names, m.usable = map[string]drive{}, map[string]string{}, map[string]bool{}
	}
	var distinct []drive
	for _, d := range found {
		if !d.Usable { // also a broken one
			m.noCD[d.Path] = d
			distinct = append(distinct, d)
			continue
		}
		m.usable[d.Path] = true
		first := slices.IndexFunc(distinct, func(other drive) bool {
			return other.Usable && sameDrive(other, d, m.inserted)
		})
		if first >= 0 {
			m.names[d.Path] = distinct[first].Path
			continue
		}
		distinct = append(distinct, d)
	}
	m.unfinished, m.last, m.ended = nil, slices.Clone(distinct), c.conn.Now()
	c.dropLater()
	return distinct
}

// sameDrive reports whether two paths name one drive: one document names the other's path as its own; or one is below
// the System and one below a manager, and identifier, types and medium are equal; or both show the medium that was
// inserted under one name.
func sameDrive(a, b drive, inserted string) bool {
	if b.own == a.Path || a.own == b.Path {
		return true
	}
	if inserted != "" && a.Image == inserted && b.Image == inserted {
		return true
	}
	return belowSystem(a.Path) != belowSystem(b.Path) && a.ID == b.ID && a.ID != "" &&
		slices.Equal(a.Types, b.Types) && a.Inserted == b.Inserted && a.Image == b.Image
}

func belowSystem(at string) bool { return strings.HasPrefix(at, "/redfish/v1/Systems/") }

// readDrive reads one drive.
func (c *Client) readDrive(w conn.Call, path string) (drive, error) {
	got, err := conn.Get[schemas.VirtualMedia](w, path)
	if err != nil {
		return drive{}, err
	}
	got.Doc.SetClient(w)
	got.Doc.DisableEtagMatch(true)
	var also struct {
		Own               string `json:"@odata.id"`
		Certificates      conn.Link
		VerifyCertificate bool
		Actions           struct {
			Insert struct {
				Protocols []string `json:"TransferProtocolType@Redfish.AllowableValues"`
			} `json:"#VirtualMedia.InsertMedia"`
		}
	}
	_ = json.Unmarshal(got.Raw, &also) // members of another shape count as absent
	d := drive{Resource: got, own: strings.TrimSuffix(also.Own, "/"),
		certificates: also.Certificates.ID,
		Slot: Slot{Path: path, ID: got.Doc.ID, Protocols: also.Actions.Insert.Protocols,
			Certificates: also.Certificates.ID != "", Verifies: also.VerifyCertificate}}
	for _, kind := range got.Doc.MediaTypes {
		d.Types = append(d.Types, string(kind))
	}
	if d.holds, d.Image = readMedium(got.Doc); d.holds == nothing || d.holds == unclear && c.wasEmptied(path, d.Image) {
		d.Leftover, d.Image = got.Doc.Image, ""
	} else {
		d.Inserted, d.Image = true, c.nameMedium(d.Image)
	}
	d.Usable = takesCD(d.Types)
	return d, nil
}

// content is what a drive says of its medium.
type content int

// Contents of a drive.
const (
	nothing content = iota
	unclear         // an image is shown, and nothing says that it is inserted, or that nothing is connected
	aMedium
)

// noImage are texts that BMCs show as the image of an empty drive and that could be the name of a file.
var noImage = []string{"n/a", "n.a.", "-", "."}

// readMedium reads what a drive holds. A drive that says that a medium is inserted holds one, with or without an image.
// A drive that says that it is not connected is empty, also with an image: some BMCs go on showing the last name
// (Supermicro). A word that cannot be the name of a file is a word for none (GIGABYTE).
func readMedium(doc *schemas.VirtualMedia) (holds content, image string) {
	image = strings.TrimSpace(doc.Image)
	if !strings.ContainsAny(image, `./:\`) || slices.Contains(noImage, strings.ToLower(image)) {
		image = ""
	}
	connection := strings.ReplaceAll(string(doc.ConnectedVia), " ", "")
	switch {
	case doc.Inserted != nil && *doc.Inserted:
		return aMedium, image
	case image == "", strings.EqualFold(connection, string(schemas.NotConnectedConnectedVia)):
		return nothing, ""
	default:
		return unclear, image
	}
}

// nameMedium gives the URL that was inserted last in place of what the BMC makes of the URL. Some BMCs show another
// scheme or encoding, the start of a long URL, or the name of the file alone; and not the same at each reading.
func (c *Client) nameMedium(image string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	last := c.drives.inserted
	if last != "" && (image == c.drives.shown || image != "" && strings.Contains(last, image) || ShowsURL(image, last)) {
		return last
	}
	return image
}

// ShowsURL reports whether the image that a BMC shows has the whole path of a medium's URL, in any scheme or encoding.
func ShowsURL(image, medium string) bool {
	at, err := url.Parse(medium)
	if err != nil || len(at.Path) < 2 {
		return false
	}
	if plain, err := url.PathUnescape(image); err == nil {
		image = plain
	}
	return strings.Contains(strings.ToLower(image), strings.ToLower(at.Path))
}

// wasEmptied reports whether the BMC accepted the eject of an image that a drive still shows.
func (c *Client) wasEmptied(path, image string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.drives.emptied[path] == image
}

// noteEmptied keeps that an image which a drive shows is left over from a medium that is out; "" forgets it.
func (c *Client) noteEmptied(path, image string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.drives.emptied == nil {
		c.drives.emptied = map[string]string{}
	}
	c.drives.emptied[path] = image
}

// takesCD: CD, or DVD where there is no CD (Cisco UCS), in any spelling; a drive without types is worth a try.
func takesCD(types []string) bool {
	return len(types) == 0 || slices.ContainsFunc(types, func(kind string) bool {
		kind = strings.ToUpper(kind)
		return strings.HasPrefix(kind, "CD") || strings.HasPrefix(kind, "DVD")
	})
}
