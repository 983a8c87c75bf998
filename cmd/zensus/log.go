package main

import (
	"log/slog"

	"github.com/hashicorp/go-hclog"
)

func slogOf(hclog.Logger) *slog.Logger { return slog.New(slog.DiscardHandler) }
