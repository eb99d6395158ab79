// SPDX-License-Identifier: BSD-2-Clause
//
// h_web.go - an HTTP server, or clients of it, that make their system calls without libc.
//
//	h_web serve | get
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
)

func serve() {
	l, err := net.Listen("tcp", "127.0.0.1:8000")
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("ready")
	http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			http.ServeFile(w, r, r.URL.Path)
			return
		}
		b, _ := io.ReadAll(r.Body)
		io.WriteString(w, strings.ToUpper(string(b)))
	}))
}

func get(i int) int {
	body := strings.NewReader(strings.Repeat("x", 1000*i))
	r, err := http.Post("http://localhost:8000/", "text/plain", body)
	if err != nil {
		fmt.Println(err)
		return 0
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil || strings.Trim(string(b), "X") != "" {
		fmt.Println(len(b), err)
	}
	return len(b)
}

func main() {
	if os.Args[1] == "serve" {
		serve()
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	n := 0
	for i := 0; i < 15; i++ {
		wg.Add(1)
		go func(i int) {
			defer wg.Done()
			for k := 0; k < 5; k++ {
				l := get(i)
				mu.Lock()
				n += l
				mu.Unlock()
			}
		}(i)
	}
	wg.Wait()
	fmt.Println(n)
}
