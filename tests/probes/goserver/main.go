// A Go HTTPS server whose ways with client certificates are chosen by flags; for tests of probes.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
)

func main() {
	certificate := flag.String("certificate", "", "PEM file of certificate and key")
	authority := flag.String("authority", "", "PEM file of whom clients are verified by")
	auth := flag.String("auth", "require", "require, request, any or none")
	most := flag.String("most", "1.3", "highest TLS version")
	flag.Parse()

	pem, err := os.ReadFile(*certificate)
	check(err)
	pair, err := tls.X509KeyPair(pem, pem)
	check(err)
	ca, err := os.ReadFile(*authority)
	check(err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	config := &tls.Config{
		Certificates: []tls.Certificate{pair},
		ClientCAs:    pool,
		MinVersion:   tls.VersionTLS12,
		ClientAuth: map[string]tls.ClientAuthType{
			"require": tls.RequireAndVerifyClientCert,
			"request": tls.RequestClientCert,
			"any":     tls.RequireAnyClientCert,
			"none":    tls.NoClientCert,
		}[*auth],
	}
	if *most == "1.2" {
		config.MaxVersion = tls.VersionTLS12
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	server := &http.Server{
		Handler: http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
			for _, shown := range request.TLS.PeerCertificates {
				fmt.Fprintln(answer, shown.Subject.CommonName)
			}
		}),
		ErrorLog: log.New(os.Stderr, "", 0),
	}
	go func() { // it ends with whoever started it
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	check(server.Serve(tls.NewListener(listener, config)))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
