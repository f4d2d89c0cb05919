package console

import "io"

// resetOnEnd calls done once when the body has been read to its end or is closed.
type resetOnEnd struct {
	body io.ReadCloser
	done func()
}

func (b *resetOnEnd) Read(p []byte) (int, error) {
	n, err := b.body.Read(p)
	if err != nil {
		b.end()
	}
	return n, err // io.EOF must pass as it is
}

func (b *resetOnEnd) Close() error {
	b.end()
	return b.body.Close()
}

func (b *resetOnEnd) end() {
	if b.done != nil {
		b.done()
		b.done = nil
	}
}
