package inband

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"sync"
)

// Bytes of QEMU's serial protocol (hw/ipmi/ipmi_bmc_extern.c): a message is sequence, network function and LUN,
// command, data, checksum, and messageEnd; the bytes before the end sum up to 0. A hardware command is its bytes and
// commandEnd. escape stands before a byte that would be read as one of the three; bit 4 of that byte is set then.
const (
	messageEnd = 0xa0
	commandEnd = 0xa1
	escape     = 0xaa
	escapeBit  = 0x10
)

// maxFrame bounds a frame in bytes; IPMI messages are shorter.
const maxFrame = 300

// Serve answers machines that connect, until ctx ends, and closes the listener.
func (c *Controller) Serve(ctx context.Context, listener net.Listener) error {
	stop := context.AfterFunc(ctx, func() { _ = listener.Close() })
	defer stop()
	var open sync.WaitGroup
	defer open.Wait()
	for {
		connection, err := listener.Accept()
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
		open.Go(func() { c.serveMachine(ctx, connection) })
	}
}

func (c *Controller) serveMachine(ctx context.Context, connection net.Conn) {
	stop := context.AfterFunc(ctx, func() { _ = connection.Close() })
	defer stop()
	defer connection.Close()
	reader := bufio.NewReader(connection)
	for {
		frame, end, err := readFrame(reader)
		if err != nil {
			return
		}
		if answer := c.answerFrame(frame, end); answer != nil && !c.IsDeaf() {
			if _, err := connection.Write(answer); err != nil {
				return
			}
		}
	}
}

// answerFrame answers a message; hardware commands need no answer.
func (c *Controller) answerFrame(frame []byte, end byte) []byte {
	if end != messageEnd || len(frame) < 4 || sum(frame) != 0 {
		return nil
	}
	sequence, netFn, command := frame[0], frame[1]>>2, frame[2]
	code, data := c.Answer(netFn, command, frame[3:len(frame)-1])
	answer := append([]byte{sequence, frame[1] | 0x04, command, code}, data...)
	return writeFrame(append(answer, -sum(answer)))
}

// readFrame reads up to the next end.
func readFrame(r io.ByteReader) (frame []byte, end byte, err error) {
	escaped := false
	for {
		b, err := r.ReadByte()
		switch {
		case err != nil:
			return nil, 0, err
		case b == messageEnd || b == commandEnd:
			return frame, b, nil
		case b == escape:
			escaped = true
			continue
		case len(frame) == maxFrame:
			return nil, 0, errors.New("a frame without an end")
		}
		if escaped {
			b, escaped = b&^escapeBit, false
		}
		frame = append(frame, b)
	}
}

// writeFrame spells a message.
func writeFrame(message []byte) []byte {
	var out []byte
	for _, b := range message {
		if b == messageEnd || b == commandEnd || b == escape {
			out = append(out, escape, b|escapeBit)
			continue
		}
		out = append(out, b)
	}
	return append(out, messageEnd)
}

func sum(data []byte) (total byte) {
	for _, b := range data {
		total += b
	}
	return total
}
