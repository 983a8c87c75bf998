package ctl

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// secretBytesMax bounds what is read as a token or password.
const secretBytesMax = 4 << 10

// readSecretFile is the first line of a file.
func readSecretFile(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	s, err := firstLine(f)
	if err != nil {
		return "", fmt.Errorf("%s: %w", file, err)
	}
	return s, nil
}

func firstLine(r io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(r, secretBytesMax)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	if line = strings.TrimRight(line, "\r\n"); line == "" {
		return "", errors.New("there is nothing in its first line")
	}
	return line, nil
}

// askPassword reads a password: from a file if one is named, without echo from a
// terminal, where twice asks again for a new one, else as a line of standard input.
func askPassword(cmd *cobra.Command, file, prompt string, twice bool) (string, error) {
	if file != "" {
		return readSecretFile(file)
	}
	stdin, isFile := cmd.InOrStdin().(*os.File)
	if !isFile || !term.IsTerminal(int(stdin.Fd())) {
		s, err := firstLine(cmd.InOrStdin())
		if err != nil {
			return "", fmt.Errorf("password on standard input: %w", err)
		}
		return s, nil
	}
	ask := func(prompt string) (string, error) {
		fmt.Fprint(cmd.ErrOrStderr(), prompt)
		b, err := term.ReadPassword(int(stdin.Fd()))
		fmt.Fprintln(cmd.ErrOrStderr())
		return string(b), err
	}
	first, err := ask(prompt + ": ")
	if err != nil || !twice {
		return first, err
	}
	again, err := ask(prompt + ", again: ")
	if err == nil && again != first {
		err = errors.New("the two are not the same")
	}
	return first, err
}
