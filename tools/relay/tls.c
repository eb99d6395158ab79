/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tls.c - TLS 1.3 by OpenSSL, between two relays that both show who they are: by a
 * key that both have (a file with one line, IDENTITY:KEY, the key in hexadecimal digits),
 * or by certificates that the same authority has signed.
 */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>

#include "relay.h"

#define KEY_MIN	16
#define KEY_MAX	64

static SSL_CTX *ctx;
static char psk_identity[128];
static unsigned char psk_key[KEY_MAX];
static size_t psk_len;
static const char *why = "the connection has ended";

const char *tls_why(void)
{
	return why;
}

static SSL_SESSION *psk_session(SSL *ssl)
{
	static const unsigned char aes128[] = { 0x13, 0x01 };
	const SSL_CIPHER *cipher = SSL_CIPHER_find(ssl, aes128);
	SSL_SESSION *s = SSL_SESSION_new();

	if (s && cipher && SSL_SESSION_set1_master_key(s, psk_key, psk_len) &&
	    SSL_SESSION_set_cipher(s, cipher) &&
	    SSL_SESSION_set_protocol_version(s, TLS1_3_VERSION))
		return s;
	SSL_SESSION_free(s);
	return NULL;
}

static int psk_use(SSL *ssl, const EVP_MD *md, const unsigned char **id, size_t *idlen,
    SSL_SESSION **sess)
{
	(void)md;
	*sess = psk_session(ssl);
	*id = (const unsigned char *)psk_identity;
	*idlen = strlen(psk_identity);
	return *sess != NULL;
}

/* Sets no session for another identity: the handshake then finds nothing to go on with. */
static int psk_find(SSL *ssl, const unsigned char *id, size_t idlen, SSL_SESSION **sess)
{
	*sess = NULL;
	if (idlen == strlen(psk_identity) && memcmp(id, psk_identity, idlen) == 0)
		*sess = psk_session(ssl);
	return 1;
}

static int read_psk(const char *file)
{
	char line[512], *colon, *hex;
	struct stat st;
	FILE *f = fopen(file, "re");
	size_t i;

	if (!f || fstat(fileno(f), &st)) {
		say("%s: %s", file, strerror(errno));
		if (f)
			fclose(f);
		return -1;
	}
	if (st.st_mode & 077) {
		say("%s: others than its owner can read this key (mode %03o; chmod 600)", file,
		    st.st_mode & 0777);
		fclose(f);
		return -1;
	}
	if (!fgets(line, sizeof(line), f))
		line[0] = '\0';
	fclose(f);
	line[strcspn(line, "\r\n")] = '\0';
	colon = strchr(line, ':');
	hex = colon ? colon + 1 : NULL;
	if (!colon || colon == line || colon - line >= (long)sizeof(psk_identity) ||
	    strlen(hex) % 2 || strlen(hex) < 2 * KEY_MIN || strlen(hex) > 2 * KEY_MAX ||
	    strspn(hex, "0123456789abcdefABCDEF") != strlen(hex)) {
		say("%s: not a line IDENTITY:KEY with a key of %d to %d bytes in hexadecimal "
		    "digits (openssl rand -hex 32)", file, KEY_MIN, KEY_MAX);
		return -1;
	}
	memcpy(psk_identity, line, colon - line);
	for (i = 0; hex[2 * i]; i++)
		sscanf(hex + 2 * i, "%2hhx", &psk_key[i]);
	psk_len = i;
	return 0;
}

static int failed(const char *file)
{
	char text[256];

	ERR_error_string_n(ERR_get_error(), text, sizeof(text));
	say("%s: %s", file, text);
	return -1;
}

int tls_init(int server, const char *psk, const char *cert, const char *key, const char *ca)
{
	if (!psk && !(cert && key && ca)) {
		say("tls:// needs a key that both sides have (--psk FILE or RUMP_TLS_PSK), or "
		    "certificates (--cert, --key and --ca, or RUMP_TLS_CERT, _KEY and _CA)");
		return -1;
	}
	ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
	if (!ctx || !SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION))
		return failed("TLS");
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	if (server)
		SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"rump", 4);
	/* no resumption: every connection shows the key or the certificate itself */
	SSL_CTX_set_num_tickets(ctx, 0);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	if (psk) {
		if (read_psk(psk))
			return -1;
		SSL_CTX_set_psk_use_session_callback(ctx, psk_use);
		SSL_CTX_set_psk_find_session_callback(ctx, psk_find);
		if (!SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256"))
			return failed(psk);
	}
	if (cert && SSL_CTX_use_certificate_chain_file(ctx, cert) != 1)
		return failed(cert);
	if (key && SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
		return failed(key);
	if (ca && SSL_CTX_load_verify_locations(ctx, ca, NULL) != 1)
		return failed(ca);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	return 0;
}

SSL *tls_new(int fd, const char *host)
{
	SSL *ssl = SSL_new(ctx);

	if (!ssl || !SSL_set_fd(ssl, fd) || (host && !SSL_set1_host(ssl, host))) {
		SSL_free(ssl);
		return NULL;
	}
	if (host)
		SSL_set_connect_state(ssl);
	else
		SSL_set_accept_state(ssl);
	return ssl;
}

static ssize_t result(SSL *ssl, int ok, size_t done, uint32_t *want)
{
	static char text[256];
	unsigned long e;

	if (ok == 1)
		return done;
	switch (SSL_get_error(ssl, ok)) {
	case SSL_ERROR_WANT_READ:
		*want = EPOLLIN;
		return 0;
	case SSL_ERROR_WANT_WRITE:
		*want = EPOLLOUT;
		return 0;
	}
	e = ERR_peek_last_error();
	if (e) {
		ERR_error_string_n(e, text, sizeof(text));
		why = ERR_reason_error_string(e) ? ERR_reason_error_string(e) : text;
	}
	return -1;
}

ssize_t tls_read(SSL *ssl, void *buf, size_t n, uint32_t *want)
{
	size_t done = 0;

	int ok;

	ERR_clear_error();
	ok = SSL_read_ex(ssl, buf, n, &done);
	return result(ssl, ok, done, want);
}

ssize_t tls_write(SSL *ssl, const void *buf, size_t n, uint32_t *want)
{
	size_t done = 0;

	int ok;

	ERR_clear_error();
	ok = SSL_write_ex(ssl, buf, n, &done);
	return result(ssl, ok, done, want);
}

void tls_free(SSL *ssl)
{
	SSL_free(ssl);
}
