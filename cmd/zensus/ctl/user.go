package ctl

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// asker is who asks a server's HTTP port, and how.
type asker struct {
	server    string
	tokenFile string
	login     string
	loginFile string
	timeout   time.Duration
	output    output
}

func (u *asker) flags(cmd *cobra.Command) {
	f := cmd.PersistentFlags()
	f.StringVar(&u.server, "server", "http://127.0.0.1:8848", "the server's HTTP port")
	f.StringVar(&u.tokenFile, "token-file", "", "file with the admin token")
	f.StringVar(&u.login, "login", "", "log in by this name")
	f.StringVar(&u.loginFile, "login-password-file", "", "file with the password for --login; otherwise it is asked for")
	f.DurationVar(&u.timeout, "timeout", u.timeout, "how long to wait for an answer")
	f.VarP(&u.output, "output", "o", "form of results")
	cmd.MarkFlagsMutuallyExclusive("token-file", "login")
}

// show tells the server who asks.
func (u *asker) show(cmd *cobra.Command, a *api) (err error) {
	switch {
	case u.tokenFile != "":
		a.token, err = readSecretFile(u.tokenFile)
	case u.login != "":
		var password string
		if password, err = askPassword(cmd, u.loginFile, "password of "+u.login, false); err == nil {
			err = a.login(cmd.Context(), u.login, password)
		}
	default:
		err = errors.New("who asks? Log in with --login NAME, or show the admin token with --token-file FILE")
	}
	return err
}

// users is one use of `zensus user`.
type users struct{ asker }

func userCommand() *cobra.Command {
	u := &users{asker{timeout: 10 * time.Second, output: text}}
	cmd := &cobra.Command{
		Use:   "user",
		Short: "manage the users of a server",
		Long: `Manage the users of a server that requires logins. Whoever asks shows the admin token,
which the first start wrote into the file that the log names, or logs in as an
administrator.`,
	}
	u.flags(cmd)
	cmd.AddCommand(u.addCommand(), u.passwdCommand(), u.rmCommand(), u.lsCommand())
	return cmd
}

// reach finds the server, and refuses one that has no use for users.
func (u *users) reach(cmd *cobra.Command) (*api, error) {
	a, err := newAPI(u.server, u.timeout)
	if err != nil {
		return nil, err
	}
	off, err := a.authOff(cmd.Context())
	if err == nil && off {
		err = fmt.Errorf("%s: this server requires no logins (auth is off)", a.base)
	}
	return a, err
}

// open shows the server who asks.
func (u *users) open(cmd *cobra.Command) (*api, error) {
	a, err := u.reach(cmd)
	if err != nil {
		return nil, err
	}
	return a, u.show(cmd, a)
}

func (u *users) addCommand() *cobra.Command {
	var file string
	var admin bool
	cmd := &cobra.Command{
		Use: "add NAME", Short: "add a user",
		Long: `Add a user, whose password is read from a file, asked for, or read from standard
input. A new user may do nothing until a role is granted. With --admin it is the first
administrator, whom only the admin token can make.`,
		Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if admin && u.tokenFile == "" {
				if _, err := u.reach(cmd); err != nil {
					return err
				}
				return errors.New("--admin: only the admin token makes an administrator: --token-file is missing")
			}
			a, err := u.open(cmd)
			if err != nil {
				return err
			}
			password, err := askPassword(cmd, file, "new password of "+args[0], true)
			if err != nil {
				return err
			}
			if admin {
				err = a.bootstrap(cmd.Context(), args[0], password)
			} else {
				err = a.call(cmd.Context(), http.MethodPost, "/v3/auth/user", url.Values{"username": {args[0]}, "password": {password}}, nil)
			}
			return u.say(cmd, err, "added", args[0])
		},
	}
	cmd.Flags().StringVar(&file, "password-file", "", "file with the new password")
	cmd.Flags().BoolVar(&admin, "admin", false, "make the first administrator")
	return cmd
}

func (u *users) passwdCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use: "passwd NAME", Short: "change a user's password; whoever is logged in with the old one is logged out",
		Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := u.open(cmd)
			if err != nil {
				return err
			}
			password, err := askPassword(cmd, file, "new password of "+args[0], true)
			if err != nil {
				return err
			}
			err = a.call(cmd.Context(), http.MethodPut, "/v3/auth/user", url.Values{"username": {args[0]}, "newPassword": {password}}, nil)
			return u.say(cmd, err, "changed the password of", args[0])
		},
	}
	cmd.Flags().StringVar(&file, "password-file", "", "file with the new password")
	return cmd
}

func (u *users) rmCommand() *cobra.Command {
	return &cobra.Command{
		Use: "rm NAME", Short: "remove a user",
		Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := u.open(cmd)
			if err != nil {
				return err
			}
			// The interface takes a user who is not there for removed.
			all, err := list(cmd.Context(), a)
			if err != nil {
				return err
			}
			if !slices.ContainsFunc(all, func(v user) bool { return v.Name == args[0] }) {
				return fmt.Errorf("there is no user %s", args[0])
			}
			err = a.call(cmd.Context(), http.MethodDelete, "/v3/auth/user", url.Values{"username": {args[0]}}, nil)
			return u.say(cmd, err, "removed", args[0])
		},
	}
}

func (u *users) lsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "ls", Short: "list users and their roles",
		Args: NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a, err := u.open(cmd)
			if err != nil {
				return err
			}
			all, err := list(cmd.Context(), a)
			if err != nil {
				return err
			}
			if u.output == asJSON {
				return writeJSON(cmd.OutOrStdout(), all)
			}
			t := newTable("name", "roles")
			for _, v := range all {
				t.AppendRow(row(v.Name, strings.Join(v.Roles, ", ")))
			}
			return render(cmd.OutOrStdout(), t)
		},
	}
}

// user is one user in a list.
type user struct {
	Name  string   `json:"name"`
	Roles []string `json:"roles"`
}

// list reads all users and their roles, sorted by name.
func list(ctx context.Context, a *api) ([]user, error) {
	type item struct {
		Username string `json:"username"`
		Role     string `json:"role"`
	}
	names, err := pages[item](ctx, a, "/v3/auth/user/list")
	if err != nil {
		return nil, err
	}
	grants, err := pages[item](ctx, a, "/v3/auth/role/list")
	if err != nil {
		return nil, err
	}
	all := []user{}
	for _, n := range names {
		v := user{Name: n.Username, Roles: []string{}}
		for _, g := range grants {
			if g.Username == n.Username {
				v.Roles = append(v.Roles, g.Role)
			}
		}
		all = append(all, v)
	}
	slices.SortFunc(all, func(a, b user) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// pageSize and pagesMax bound what is read of a list.
const (
	pageSize = 500
	pagesMax = 1000
)

func pages[T any](ctx context.Context, a *api, path string) ([]T, error) {
	var all []T
	for n := 1; n <= pagesMax; n++ {
		var page struct {
			PagesAvailable int `json:"pagesAvailable"`
			PageItems      []T `json:"pageItems"`
		}
		form := url.Values{"pageNo": {strconv.Itoa(n)}, "pageSize": {strconv.Itoa(pageSize)}}
		if err := a.call(ctx, http.MethodGet, path, form, &page); err != nil {
			return nil, err
		}
		all = append(all, page.PageItems...)
		if n >= page.PagesAvailable {
			return all, nil
		}
	}
	return nil, fmt.Errorf("more than %d entries", pageSize*pagesMax)
}

// say tells what was done, or why not.
func (u *users) say(cmd *cobra.Command, err error, done, name string) error {
	if err != nil {
		return err
	}
	if u.output == asJSON {
		return writeJSON(cmd.OutOrStdout(), map[string]string{"name": name})
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), done, name)
	return err
}
