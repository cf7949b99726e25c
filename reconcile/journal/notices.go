package journal

import "context"

// LoadNotices gives the document with what people outside were told; nil without a document.
func (j *Journal) LoadNotices(ctx context.Context) ([]byte, error) {
	value, revision, err := j.readKey(ctx, noticesKey)
	if err != nil || revision == 0 {
		return nil, wrapError("read what was notified", err)
	}
	return value, nil
}

// SaveNotices keeps the document with what people outside were told. No decision about a machine rests on the document.
func (j *Journal) SaveNotices(ctx context.Context, document []byte) error {
	_, err := j.writeKey(ctx, noticesKey, document)
	return wrapError("keep what was notified", err)
}
