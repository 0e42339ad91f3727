"""What the metrics port serves over HTTP: the bounded server, and the page for people."""
