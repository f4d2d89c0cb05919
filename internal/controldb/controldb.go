// Package controldb keeps everything that is not an event: hosts, tokens, watermarks, the manifest,
// detections, incidents, users, coverage. It implements the storage interfaces that the domain packages
// declare, one file for each of them, over SQLite; statements use $1 parameters and portable SQL, so
// that PostgreSQL can stand behind the same files. What the stores promise is package storetest, which
// runs here on SQLite. Only cmd/yagura opens it; the server process alone holds it.
package controldb

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite" // the embedded database driver
	sqlite3 "modernc.org/sqlite/lib"
)

//go:embed migration/*.sql
var migrations embed.FS

// DB is the control database. Its methods may be called from many goroutines; writes are serialised
// by the one write connection, since SQLite has one writer.
type DB struct {
	write *sql.DB
	read  *sql.DB
}

// Open opens or makes the database at path and brings it to the newest migration. Migrations go
// forward only; a database that is newer than this binary is refused before anything is written.
func Open(ctx context.Context, path string) (*DB, error) {
	dsn := "file:" + path + "?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(10000)&_pragma=foreign_keys(1)&_txlock=immediate"
	write, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("open control database %s: %w", path, err)
	}
	write.SetMaxOpenConns(1)
	read, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("open control database %s: %w", path, err)
	}
	read.SetMaxOpenConns(4)
	db := &DB{write: write, read: read}
	if err := db.migrate(ctx); err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("control database %s: %w", path, err)
	}
	return db, nil
}

func (db *DB) migrate(ctx context.Context) error {
	dir, err := fs.Sub(migrations, "migration")
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db.write, dir)
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	have, err := provider.GetDBVersion(ctx)
	if err != nil {
		return unopened(err)
	}
	all := provider.ListSources()
	if newest := all[len(all)-1].Version; have > newest {
		return fmt.Errorf("it was written by a newer yagura (schema %d, this binary knows %d): use that version or restore a backup", have, newest)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

// unopened says what to do about a database that does not open. An older one is safe to put back: the store
// takes the segments back that it does not name.
func unopened(err error) error {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		switch e.Code() & 0xff {
		case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR:
			return fmt.Errorf("its disk is full or does not answer, free space there, look at `dmesg`, and start again; delete no file of the data folder: %w", err)
		case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY:
			return fmt.Errorf("it is no file that this user can open and write, look at `ls -la` of the folder, and start again: %w", err)
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
			return fmt.Errorf("another program holds it, end that one, and start again: %w", err)
		}
	}
	return fmt.Errorf("it is damaged, move it and its -wal and -shm aside, put the newest backup of it in its place, and start again; an older one will do, stored events that it does not name are taken back, and hosts that were enrolled since then enrol again: %w", err)
}

// Close closes the database.
func (db *DB) Close() error {
	if err := db.read.Close(); err != nil {
		return fmt.Errorf("close control database: %w", err)
	}
	if err := db.write.Close(); err != nil {
		return fmt.Errorf("close control database: %w", err)
	}
	return nil
}

// tx runs f in one write transaction.
func (db *DB) tx(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := db.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	if err := f(tx); err != nil {
		_ = tx.Rollback()
		return full(err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", full(err))
	}
	return nil
}

// full lets callers know a full disk by syscall.ENOSPC, without knowing SQLite.
func full(err error) error {
	if e, ok := errors.AsType[*sqlite.Error](err); ok && e.Code()&0xff == sqlite3.SQLITE_FULL {
		return fmt.Errorf("%w: %w", err, syscall.ENOSPC)
	}
	return err
}
