package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"regexp"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/pflag"
	"github.com/spf13/viper"
)

// envPrefix begins the names of environment variables.
const envPrefix = "ZENSUS"

// flagKeys are the flags and the keys that they set.
var flagKeys = map[string]string{
	"data-dir":  "data_dir",
	"http":      "listen.http",
	"grpc":      "listen.grpc",
	"zookeeper": "listen.zookeeper",
	"peer":      "listen.peer",
	"auth":      "auth.enabled",
	"log-level": "log.level",
}

// Flags adds the flags of `zensus serve` to fs. Hand the same set to Load.
func Flags(fs *pflag.FlagSet) {
	d := Default()
	fs.String("data-dir", d.DataDir, "where everything is kept that must survive")
	fs.String("http", d.Listen.HTTP, "address of the port that speaks everything; off closes it")
	fs.String("grpc", d.Listen.GRPC, "address of the port for Nacos clients (default: that of --http, port + 1000)")
	fs.String("zookeeper", d.Listen.ZooKeeper, "address of the ZooKeeper client port; off closes it")
	fs.String("peer", d.Listen.Peer, "address of the port for the other members")
	fs.String("auth", d.Auth.Enabled, "require logins: true, false, or auto: unless every port is on loopback")
	fs.Lookup("auth").NoOptDefVal = AuthOn
	fs.Bool("insecure", false, "require no logins, whatever the ports are")
	fs.String("log-level", d.Log.Level, "trace, debug, info, warn, error or off")
}

// Load reads the settings and validates them. A blank file is none; flags may be
// nil. The error names every key that is wrong.
func Load(file string, flags *pflag.FlagSet) (*Settings, error) {
	s, err := Read(file, flags)
	if s == nil {
		return nil, err
	}
	return s, errors.Join(err, s.Validate())
}

// Read is Load without validating. The error names every key that does not exist
// or whose value is of another kind; beside it the settings have their defaults
// there, so that more can be said. They are nil if the file cannot be read.
func Read(file string, flags *pflag.FlagSet) (*Settings, error) {
	v := viper.New()
	var problems []error
	d := Default()
	if err := eachKey("", reflect.ValueOf(d), func(key string, value any) { v.SetDefault(key, value) }); err != nil {
		return nil, err
	}
	v.SetEnvPrefix(envPrefix)
	v.SetEnvKeyReplacer(strings.NewReplacer(".", "_"))
	v.AutomaticEnv()
	if file != "" {
		v.SetConfigFile(file)
		v.SetConfigType("yaml")
		if err := v.ReadInConfig(); err != nil {
			return nil, readProblem(file, err)
		}
		problems = append(problems, unknownKeys(v.AllKeys()))
	}
	if flags != nil {
		for flag, key := range flagKeys {
			if f := flags.Lookup(flag); f != nil {
				if err := v.BindPFlag(key, f); err != nil {
					return nil, fmt.Errorf("settings: flag --%s: %w", flag, err)
				}
			}
		}
	}
	s := Default()
	hook := mapstructure.ComposeDecodeHookFunc(boolToText, strictDuration, mapstructure.StringToSliceHookFunc(","))
	// What does not exist was found already. Without ZeroFields a short list would
	// keep the end of a longer default.
	whole := func(c *mapstructure.DecoderConfig) { c.ZeroFields = true }
	if err := v.Unmarshal(&s, viper.DecodeHook(hook), whole); err != nil {
		problems = append(problems, errors.New(decodeProblem(err.Error())))
	}
	if flags != nil {
		if insecure, err := flags.GetBool("insecure"); err == nil && insecure {
			if f := flags.Lookup("auth"); f != nil && f.Changed {
				problems = append(problems, errors.New("--auth and --insecure exclude each other"))
			}
			s.Auth.Enabled = AuthOff
		}
	}
	s.trim()
	return &s, errors.Join(append(problems, unknownEnvironment())...)
}

// FlagOf is the flag that sets a key, as --http; blank if there is none.
func FlagOf(key string) string {
	for flag, k := range flagKeys {
		if k == key {
			return "--" + flag
		}
	}
	return ""
}

// readProblem leaves out what the library says about itself, and names the file
// where the system does not.
func readProblem(file string, err error) error {
	var parse viper.ConfigParseError
	if errors.As(err, &parse) {
		return errors.Unwrap(parse)
	}
	var path *fs.PathError
	if errors.As(err, &path) && path.Path == file {
		return path.Err
	}
	return err
}

// unknownKeys reports what stands in the file and is no setting.
func unknownKeys(found []string) error {
	known := Keys()
	var problems []error
	for _, key := range found {
		if !slices.Contains(known, key) {
			problems = append(problems, fmt.Errorf("%s: unknown key", key))
		}
	}
	slices.SortFunc(problems, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(problems...)
}

// quotedKey is how the decoder names a key at the beginning of a line.
var quotedKey = regexp.MustCompile(`(?m)^'([a-z_.]*)' `)

// decodeProblem is the decoder's text without its heading, with keys as
// everywhere else.
func decodeProblem(text string) string {
	_, body, ok := strings.Cut(text, "error(s):")
	if !ok {
		body = text
	}
	return quotedKey.ReplaceAllString(strings.TrimSpace(body), "$1: ")
}

// Given are the flags that were written on the command line, of those
// that Flags made.
func Given(flags *pflag.FlagSet) []string {
	var given []string
	flags.Visit(func(f *pflag.Flag) {
		if _, ours := flagKeys[f.Name]; ours || f.Name == "insecure" {
			given = append(given, "--"+f.Name)
		}
	})
	return given
}

// GivenInEnvironment are the variables of the environment that are settings.
func GivenInEnvironment() []string {
	var given []string
	for _, key := range Keys() {
		if os.Getenv(envName(key)) != "" {
			given = append(given, envName(key))
		}
	}
	return given
}

// boolToText lets YAML's true and false stand where a word is expected.
func boolToText(from, to reflect.Type, v any) (any, error) {
	if from.Kind() == reflect.Bool && to.Kind() == reflect.String {
		if v.(bool) {
			return AuthOn, nil
		}
		return AuthOff, nil
	}
	return v, nil
}

// strictDuration wants a unit: a bare number would be nanoseconds.
func strictDuration(from, to reflect.Type, v any) (any, error) {
	if to != reflect.TypeFor[time.Duration]() || from == to {
		return v, nil
	}
	text, ok := v.(string)
	if !ok {
		return nil, fmt.Errorf("%v has no unit, as in 2s", v)
	}
	return time.ParseDuration(text)
}

func (s *Settings) trim() {
	for _, p := range []*string{&s.Listen.HTTP, &s.Listen.GRPC, &s.Listen.ZooKeeper, &s.Listen.Peer, &s.Auth.Enabled, &s.Peer.TLS.Mode, &s.Peer.TLS.ClientAuth, &s.Engine.Backend, &s.Log.Level, &s.Log.Format} {
		*p = strings.TrimSpace(*p)
	}
	for _, list := range []*[]string{&s.Members, &s.Engine.FourLetterWords} {
		var kept []string
		for _, item := range *list {
			if item = strings.TrimSpace(item); item != "" {
				kept = append(kept, item)
			}
		}
		*list = kept
	}
}

// eachKey calls f for every setting, in the order of the struct.
func eachKey(prefix string, v reflect.Value, f func(key string, value any)) error {
	for i := range v.NumField() {
		key := v.Type().Field(i).Tag.Get("mapstructure")
		if key == "" {
			return fmt.Errorf("settings: field %s has no key", v.Type().Field(i).Name)
		}
		if v.Field(i).Kind() == reflect.Struct {
			if err := eachKey(prefix+key+".", v.Field(i), f); err != nil {
				return err
			}
			continue
		}
		f(prefix+key, v.Field(i).Interface())
	}
	return nil
}

// Keys are all keys.
func Keys() []string {
	var keys []string
	d := Default()
	// Default's fields have keys: a test holds that.
	_ = eachKey("", reflect.ValueOf(d), func(key string, _ any) { keys = append(keys, key) })
	return keys
}

// unknownEnvironment reports variables that look like settings and are none: those that
// begin like the settings of a section, and those that are called like a flag. Others may
// be of somebody else.
func unknownEnvironment() error {
	known, sections := map[string]bool{}, map[string]bool{}
	for _, key := range Keys() {
		known[envName(key)] = true
		if section, _, below := strings.Cut(key, "."); below {
			sections[envName(section)] = true
		}
	}
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	Flags(flags)
	var problems []error
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		own, ours := strings.CutPrefix(name, envPrefix+"_")
		if !ours || known[name] {
			continue
		}
		section, _, _ := strings.Cut(own, "_")
		if flags.Lookup(strings.ToLower(strings.ReplaceAll(own, "_", "-"))) != nil || sections[envPrefix+"_"+section] {
			problems = append(problems, fmt.Errorf("%s: there is no such setting", name))
		}
	}
	sort.Slice(problems, func(i, j int) bool { return problems[i].Error() < problems[j].Error() })
	return errors.Join(problems...)
}

func envName(key string) string {
	return envPrefix + "_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}
