package journal

import (
	"context"
	"errors"
	"fmt"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// maxBatches is how many documents of batches are read: 100 Workloads with two batches of 10,000 items.
const maxBatches = 4000

// ListBatches gives the documents of all batches by path.
func (j *Journal) ListBatches(ctx context.Context) (map[string][]byte, error) {
	documents := map[string][]byte{}
	from := batchKeys
	for {
		response, err := j.listBatches(ctx, from)
		if err != nil {
			return nil, fmt.Errorf("list the batches: %w", err)
		}
		for _, kv := range response.Kvs {
			documents[strings.TrimPrefix(string(kv.Key), batchKeys)] = kv.Value
			from = string(kv.Key) + "\x00"
		}
		if len(documents) > maxBatches {
			return nil, errors.New("list the batches: there are too many")
		}
		if !response.More {
			return documents, nil
		}
	}
}

func (j *Journal) listBatches(ctx context.Context, from string) (*clientv3.GetResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return j.client.Get(ctx, from, clientv3.WithRange(clientv3.GetPrefixRangeEnd(batchKeys)), clientv3.WithLimit(pageSize))
}

// SaveBatch keeps a document of a batch by path; nil deletes the document.
func (j *Journal) SaveBatch(ctx context.Context, path string, document []byte) error {
	if document != nil {
		_, err := j.writeKey(ctx, batchKeys+path, document)
		return wrapError("keep a batch", err)
	}
	mine, err := j.currentOwnership()
	if err != nil {
		return wrapError("delete a batch", err)
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	result, err := j.client.Txn(ctx).If(mine.compareFence()).Then(clientv3.OpDelete(batchKeys + path)).Commit()
	if err == nil && !result.Succeeded {
		err = ErrNotOwner
	}
	return wrapError("delete a batch", err)
}
