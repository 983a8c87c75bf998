package ctl

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zensus-io/zensus/core"
)

// Bounds of a completion: nobody waits for it, nor reads more.
const (
	completionTime = time.Second
	completionsMax = 100
)

// completePath completes a path for shells outside: bash, zsh, fish.
func (z *zk) completePath(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	z.notes = cmd.ErrOrStderr()
	defer z.close()
	return z.pathsWith(context.WithoutCancel(commandContext(cmd)), word), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

func commandContext(cmd *cobra.Command) context.Context {
	if ctx := cmd.Context(); ctx != nil {
		return ctx
	}
	return context.Background()
}

// pathsWith are the paths that begin with prefix and have one component more
// than its last slash, in order.
func (z *zk) pathsWith(ctx context.Context, prefix string) []string {
	slash := strings.LastIndexByte(prefix, '/')
	if slash < 0 {
		return []string{"/"}
	}
	parent, begun := prefix[:slash], prefix[slash+1:]
	if parent == "" {
		parent = "/"
	}
	ctx, cancel := context.WithTimeout(ctx, completionTime)
	defer cancel()
	c, err := z.session(ctx)
	if err != nil {
		return nil
	}
	names, _, err := c.Children(ctx, parent)
	if err != nil {
		return nil
	}
	var out []string
	for _, name := range names {
		if strings.HasPrefix(name, begun) {
			out = append(out, core.JoinPath(parent, name))
		}
	}
	slices.Sort(out)
	return out
}

// completions says how the line up to the cursor may go on: by which words the
// last one, which begins at start, could be replaced.
func (z *zk) completions(ctx context.Context, line string) (start int, words []string) {
	before := 0
	s := scanWords(line, func(string) { before++ })
	if s.quote != 0 || s.escaped {
		return 0, nil
	}
	word := s.word.String()
	if before == 0 {
		for _, verb := range z.words() {
			if strings.HasPrefix(verb, word) {
				words = append(words, verb)
			}
		}
		return s.start, words
	}
	if strings.HasPrefix(word, "-") {
		return 0, nil
	}
	if before == 1 && strings.HasPrefix(strings.TrimSpace(line), "acl") {
		for _, verb := range []string{"get", "set"} {
			if strings.HasPrefix(verb, word) {
				words = append(words, verb)
			}
		}
		return s.start, words
	}
	return s.start, z.pathsWith(ctx, word)
}

// words are what a line of the shell can begin with.
func (z *zk) words() []string {
	words := slices.Clone(shellWords)
	for _, verb := range z.verbs() {
		if !verb.Hidden {
			words = append(words, verb.Name())
		}
	}
	slices.Sort(words)
	return words
}

// complete is what tab does: line and cursor go on as far as it is certain, and
// if it is not, the possibilities are returned.
func (z *zk) complete(ctx context.Context, line string, pos int) (newLine string, newPos int, choices []string) {
	start, words := z.completions(ctx, line[:pos])
	if len(words) == 0 {
		return line, pos, nil
	}
	common := words[0]
	for _, w := range words[1:] {
		common = commonPrefix(common, w)
	}
	done := escapeWord(common)
	if len(words) == 1 && !strings.HasPrefix(common, "/") {
		done += " "
	}
	if done == line[start:pos] && len(words) > 1 {
		choices = words
	}
	return line[:start] + done + line[pos:], start + len(done), choices
}

// commonPrefix ends between two characters.
func commonPrefix(a, b string) string {
	n := 0
	for i, r := range a {
		size := len(string(r))
		if i+size > len(b) || a[i:i+size] != b[i:i+size] {
			break
		}
		n = i + size
	}
	return a[:n]
}
