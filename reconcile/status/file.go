package status

// File is a file of the status branch, as read from the branch.
type File struct {
	Bytes []byte // on the branch
	// Content are the bytes that the identity of the daemon published; nil where Forged is set. A file that no daemon
	// reads again, such as the board, is not proved, and Content is Bytes.
	Content []byte
	Forged  error // why the file is not believed
}
