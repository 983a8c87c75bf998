package pool

import "time"

// Hurried is cfg with carriers that look what they own, and are given up, so soon.
func Hurried(cfg Config, every time.Duration) Config {
	cfg.listEvery, cfg.retireAfter = every, every
	return cfg
}
