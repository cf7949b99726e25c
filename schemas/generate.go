package schemas

//go:generate go run github.com/gitmetal/ingot/internal/schemagen
