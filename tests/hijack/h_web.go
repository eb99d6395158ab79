// SPDX-License-Identifier: BSD-2-Clause
//
// h_web.go - an HTTP server, clients of it, and a program with files and children, that make their
// system calls without libc.
//
//	h_web serve | get | files
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
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

func must(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// files prints what a directory of the rump kernel has, and what children read there.
func files() {
	must(os.MkdirAll("/rump/run/go/sub", 0755))
	must(os.WriteFile("/rump/run/go/file", []byte("text\n"), 0644))
	must(os.Chdir("/rump/run/go"))
	d, err := os.ReadDir(".")
	must(err)
	for _, e := range d {
		fmt.Println(e.Name())
	}
	dir, err := os.Getwd()
	must(err)
	fmt.Println(dir)
	b, err := exec.Command("cat", "file").CombinedOutput()
	fmt.Print(string(b))
	must(err)
	c := exec.Command("cat")
	c.Dir = "/rump/run/go/sub"
	c.Stdin, err = os.Open("file")
	must(err)
	c.Stdout, err = os.Create("sub/copy")
	must(err)
	must(c.Run())
	b, err = os.ReadFile("sub/copy")
	must(err)
	fmt.Print(string(b))
	must(os.RemoveAll("/rump/run/go"))
}

func main() {
	switch os.Args[1] {
	case "serve":
		serve()
	case "files":
		files()
		return
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
