/* OpenSSL's readers of PEM ask the terminal, or standard input, for a passphrase when the text says
 * that it is encrypted, even of a public key that came over the network. Nobody is there to answer:
 * give them this instead. */
#pragma once

/* A pem_password_cb that knows none: reading then fails. */
int pem_ask_nobody(char *to, int size, int writing, void *self);
