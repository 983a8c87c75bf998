package server

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Words says which four-letter words are answered.
type Words struct {
	// Allowed lists them; "*" is all. Nil is ZooKeeper's default: srvr.
	Allowed []string
}

func (w Words) allows(word string) bool {
	list := w.Allowed
	if list == nil {
		list = []string{"srvr"}
	}
	for _, a := range list {
		if a == "*" || a == word {
			return true
		}
	}
	return false
}

var words = map[string]func(*Server, context.Context, []byte) string{
	"ruok": func(*Server, context.Context, []byte) string { return "imok" },
}

func isWord(w string) bool {
	_, ok := words[w]
	return ok
}

// wordTime bounds the work and the writing of one answer.
const wordTime = 10 * time.Second

// answerWord answers one four-letter word and ends the connection.
func (s *Server) answerWord(c *conn, word string, arg []byte) {
	_ = c.net.SetWriteDeadline(time.Now().Add(wordTime))
	text := fmt.Sprintf("%s is not executed because it is not in the whitelist.\n", word)
	if s.cfg.Words.allows(word) {
		ctx, cancel := context.WithTimeout(context.Background(), wordTime)
		defer cancel()
		text = words[word](s, ctx, arg)
	}
	_, _ = strings.NewReader(text).WriteTo(c.net)
}
