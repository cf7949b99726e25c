package status

// File is a file of the status branch, as somebody with the right to push left the file there.
type File struct {
	Bytes []byte // on the branch
	// Content is what this daemon's identity published; nil where Forged says why the file is not believed. A file that no
	// daemon reads again, such as the board, is not proved, and Content is Bytes.
	Content []byte
	Forged  error
}

// Genuine is a file that is believed, with these bytes.
func Genuine(content []byte) File { return File{Bytes: content, Content: content} }
