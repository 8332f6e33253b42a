package main

import (
	"bufio"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	_ "github.com/lib/pq"
)

// openDatabase reads the password, which has to be there; it does not connect yet.
func openDatabase() (*sql.DB, error) {
	password, err := os.ReadFile(setting("DATABASE_PASSWORD_FILE", "/run/secrets/database_password"))
	if err != nil {
		return nil, err
	}
	place := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(setting("DATABASE_USER", "shop"), strings.TrimSpace(string(password))),
		Host:     net.JoinHostPort(setting("DATABASE_HOST", "database"), "5432"),
		Path:     "/" + setting("DATABASE_NAME", "shop"),
		RawQuery: "sslmode=disable&connect_timeout=2",
	}
	return sql.Open("postgres", place.String())
}

// Cache is a connection to a Redis, made when it is first asked, and anew after an error.
type Cache struct {
	mutex      sync.Mutex
	connection net.Conn
	answers    *bufio.Reader
}

// Do asks; no value is the empty string.
func (c *Cache) Do(words ...string) (string, error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	// A connection that was cut while nobody used it shows only now.
	for again := c.connection != nil; ; again = false {
		answer, err := c.try(words)
		if err == nil || errors.As(err, new(refusal)) {
			return answer, err
		}
		if c.connection != nil {
			c.connection.Close()
			c.connection = nil
		}
		if !again {
			return "", err
		}
	}
}

type refusal string

func (r refusal) Error() string { return string(r) }

func (c *Cache) try(words []string) (string, error) {
	if c.connection == nil {
		connection, err := net.DialTimeout("tcp", net.JoinHostPort(setting("CACHE_HOST", "cache"), "6379"), 2*time.Second)
		if err != nil {
			return "", err
		}
		c.connection, c.answers = connection, bufio.NewReader(connection)
	}
	c.connection.SetDeadline(time.Now().Add(2 * time.Second))
	request := fmt.Sprintf("*%d\r\n", len(words))
	for _, word := range words {
		request += fmt.Sprintf("$%d\r\n%s\r\n", len(word), word)
	}
	if _, err := io.WriteString(c.connection, request); err != nil {
		return "", err
	}
	line, err := c.answers.ReadString('\n')
	if err != nil {
		return "", err
	}
	kind, rest := line[0], strings.TrimSpace(line[1:])
	switch kind {
	case '+', ':':
		return rest, nil
	case '-':
		return "", refusal(rest)
	case '$':
		length, err := strconv.Atoi(rest)
		if err != nil || length < 0 {
			return "", err
		}
		value := make([]byte, length+2)
		_, err = io.ReadFull(c.answers, value)
		return string(value[:length]), err
	}
	return "", fmt.Errorf("unexpected answer %q", line)
}
