package settings

import "reflect"

func reflectOf(s Settings) reflect.Value { return reflect.ValueOf(s) }
