// A function: the request's content on stdin, the response's on stdout, the log on stderr.
// Http_Method, Http_Path, Http_Query and Http_<Header_Name> are in the environment.
package main

import (
	"fmt"
	"io"
	"log"
	"os"
)

func main() {
	fmt.Println(os.Getenv("Http_Method"))
	if _, err := io.Copy(os.Stdout, os.Stdin); err != nil {
		log.Fatal(err)
	}
}
