// Probe stands in a pod and tells what the cluster looks like from there.
//
//	probe serve          answers every request on :8080 with "POD saw SENDER"
//	probe get URL        prints what URL answers; status 1 unless 200
//	probe lookup NAME    prints NAME's addresses; status 1 when there are none
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch strings.Join(args[:min(1, len(args))], "") {
	case "serve":
		return http.ListenAndServe(":8080", http.HandlerFunc(answer))
	case "get":
		return get(args[1])
	case "lookup":
		return lookup(args[1])
	}
	return fmt.Errorf("expected serve, get URL or lookup NAME, got %q", args)
}

func answer(w http.ResponseWriter, r *http.Request) {
	name, _ := os.Hostname()
	sender, _, _ := net.SplitHostPort(r.RemoteAddr)
	fmt.Fprintf(w, "%s saw %s\n", name, sender)
}

func get(url string) error {
	client := http.Client{Timeout: 5 * time.Second}
	response, err := client.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(os.Stdout, response.Body); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", url, response.Status)
	}
	return nil
}

func lookup(name string) error {
	addresses, err := net.LookupHost(name)
	if err == nil {
		fmt.Println(strings.Join(addresses, "\n"))
	}
	return err
}
