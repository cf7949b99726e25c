package inventory

// CountersignPrefix begins the name of a countersignature, before the name of the countersigned tag:
// countersign/v1.4.0/jo is jo's of v1.4.0. A countersignature is a tag of the tag's object, so it covers name, commit
// and first signature. It is never a release.
const CountersignPrefix = "countersign/"

// Signatures are the signatures on the tag of a release.
type Signatures struct {
	Tag    string `json:"tag,omitempty"`    // "" for a ring without a tag: there is nothing to countersign
	Object string `json:"object,omitempty"` // id of the tag object
	Signer string `json:"signer,omitempty"` // signer of the tag; "" when unknown
	Second string `json:"second,omitempty"` // countersigner; "" without a countersignature that counts
	Why    string `json:"why,omitempty"`    // why an existing countersignature does not count
}
