// A token server for a registry that asks for Bearer tokens: `token ADDRESS DIRECTORY`. It serves TLS and signs with
// what the directory holds (server.crt, server.key), and knows one account (USER and PASSWORD in its environment).
//
// Nobody may read repositories below private/ without it, and write any. It gives tokens for GET with and without
// Basic authentication, and for POST with a password or a refresh token, and prints which it was.
package main

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	issuer   = "transship-engines"
	lifetime = 60 * time.Second
)

type server struct {
	key            *rsa.PrivateKey
	certificate    []byte
	user, password string
}

func main() {
	log.SetFlags(0)
	address, directory := os.Args[1], os.Args[2]
	certificate, key := filepath.Join(directory, "server.crt"), filepath.Join(directory, "server.key")
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		log.Fatal(err)
	}
	private, isRSA := pair.PrivateKey.(*rsa.PrivateKey)
	if !isRSA {
		log.Fatal("the key is not RSA")
	}
	content, err := os.ReadFile(certificate)
	if err != nil {
		log.Fatal(err)
	}
	block, _ := pem.Decode(content)
	s := &server{private, block.Bytes, os.Getenv("USER"), os.Getenv("PASSWORD")}
	http.HandleFunc("/token", s.token)
	log.Fatal(http.ListenAndServeTLS(address, certificate, key, nil))
}

func (s *server) token(w http.ResponseWriter, r *http.Request) {
	r.ParseForm()
	who, how, offline, err := "", "anonymous", false, error(nil)
	switch r.Method {
	case http.MethodGet:
		offline = r.Form.Get("offline_token") == "true"
		if user, password, given := r.BasicAuth(); given {
			how = "basic"
			who, err = s.account(user, password)
		}
	case http.MethodPost:
		how = r.PostForm.Get("grant_type")
		switch how {
		case "password":
			offline = r.PostForm.Get("access_type") == "offline"
			who, err = s.account(r.PostForm.Get("username"), r.PostForm.Get("password"))
		case "refresh_token":
			offline = true
			if given := r.PostForm.Get("refresh_token"); hmac.Equal([]byte(given), []byte(s.refresh())) {
				who = s.user
			} else {
				err = errors.New("unknown refresh token")
			}
		default:
			err = fmt.Errorf("unknown grant_type %q", how)
		}
	default:
		http.Error(w, "GET or POST", http.StatusMethodNotAllowed)
		return
	}
	scopes := strings.Fields(strings.Join(r.Form["scope"], " "))
	log.Printf("%s %s %s %q %v", r.Method, how, r.Form.Get("service"), scopes, err)
	if err != nil {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		json.NewEncoder(w).Encode(map[string]any{"details": err.Error()})
		return
	}
	now := time.Now()
	token := s.sign(map[string]any{
		"iss": issuer, "sub": who, "aud": r.Form.Get("service"), "jti": rand.Text(),
		"iat": now.Unix(), "nbf": now.Add(-time.Second).Unix(), "exp": now.Add(lifetime).Unix(),
		"access": grant(who, scopes),
	})
	answer := map[string]any{
		"access_token": token, "expires_in": int(lifetime.Seconds()), "issued_at": now.UTC().Format(time.RFC3339),
	}
	if r.Method == http.MethodGet {
		answer["token"] = token
	}
	if offline && who != "" {
		answer["refresh_token"] = s.refresh()
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(answer)
}

func (s *server) account(user, password string) (string, error) {
	if user != s.user || password != s.password {
		return "", errors.New("wrong user or password")
	}
	return user, nil
}

// refresh is a token that stays the same over restarts.
func (s *server) refresh() string {
	mac := hmac.New(sha256.New, []byte(s.password))
	mac.Write([]byte(s.user))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// grant keeps of what is asked for what may be had.
func grant(who string, scopes []string) []map[string]any {
	granted := []map[string]any{}
	for _, scope := range scopes {
		kind, rest, _ := strings.Cut(scope, ":")
		last := strings.LastIndex(rest, ":")
		if kind != "repository" || last < 0 {
			continue
		}
		name, actions := rest[:last], []string{}
		for _, action := range strings.Split(rest[last+1:], ",") {
			if who != "" || action == "pull" && !strings.HasPrefix(name, "private/") {
				actions = append(actions, action)
			}
		}
		granted = append(granted, map[string]any{"type": kind, "name": name, "actions": actions})
	}
	return granted
}

// sign makes a JWT that carries the certificate of its key.
func (s *server) sign(claims map[string]any) string {
	part := func(value any) string {
		content, err := json.Marshal(value)
		if err != nil {
			panic(err)
		}
		return base64.RawURLEncoding.EncodeToString(content)
	}
	header := map[string]any{
		"typ": "JWT", "alg": "RS256", "x5c": []string{base64.StdEncoding.EncodeToString(s.certificate)},
	}
	signed := part(header) + "." + part(claims)
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, s.key, crypto.SHA256, sum[:])
	if err != nil {
		panic(err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}
