/* OpenSSL over epoll: one thread, no library beside it. Echoes frames of four bytes of length, big-endian, and
 * a payload, with one write for all replies of a turn.
 *
 *     cc -O2 -o openssl openssl.c -lssl -lcrypto
 *     NETPOLL_BENCH_IDENTITY="$(cat cert-and-key.pem)" ./openssl --listen 127.0.0.1:0
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ROOM = 64 << 10, MOST = 16 << 20 };

struct conn {
    SSL *ssl;
    int fd, watches_out;
    /* The beginning of a frame that is not whole. */
    unsigned char *part;
    size_t part_len, part_cap;
    /* Replies that the socket did not take. */
    unsigned char *out;
    size_t out_len, out_cap, out_sent;
};

static int epoll;

static void die(const char *what) {
    perror(what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

static void append(unsigned char **to, size_t *len, size_t *cap, const void *bytes, size_t n) {
    if (*len + n > *cap) {
        *cap = *len + n > 2 * *cap ? *len + n : 2 * *cap;
        *to = realloc(*to, *cap);
        if (!*to) die("realloc");
    }
    memcpy(*to + *len, bytes, n);
    *len += n;
}

static void end(struct conn *c) {
    SSL_shutdown(c->ssl);
    ERR_clear_error();
    SSL_free(c->ssl);
    close(c->fd);
    free(c->part);
    free(c->out);
    free(c);
}

static void watch(struct conn *c, int out) {
    if (c->watches_out == out) return;
    struct epoll_event event = {.events = EPOLLIN | (out ? EPOLLOUT : 0), .data.ptr = c};
    if (epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &event)) die("epoll_ctl");
    c->watches_out = out;
}

/* Writes what waits; -1 if the connection broke. */
static int flush(struct conn *c) {
    while (c->out_sent < c->out_len) {
        int n = SSL_write(c->ssl, c->out + c->out_sent, (int)(c->out_len - c->out_sent));
        if (n <= 0) {
            int why = SSL_get_error(c->ssl, n);
            if (why != SSL_ERROR_WANT_WRITE && why != SSL_ERROR_WANT_READ) return -1;
            watch(c, 1);
            return 0;
        }
        c->out_sent += (size_t)n;
    }
    c->out_len = c->out_sent = 0;
    /* An idle connection holds no buffer. */
    free(c->out);
    c->out = NULL;
    c->out_cap = 0;
    watch(c, 0);
    return 0;
}

/* Takes the whole frames of what came; -1 if there is one that is too long. */
static int take(struct conn *c, unsigned char *bytes, size_t len) {
    if (c->part_len) {
        append(&c->part, &c->part_len, &c->part_cap, bytes, len);
        bytes = c->part;
        len = c->part_len;
    }
    size_t at = 0;
    while (len - at >= 4) {
        uint32_t payload;
        memcpy(&payload, bytes + at, 4);
        payload = ntohl(payload);
        if (payload > MOST) return -1;
        if (len - at < 4 + (size_t)payload) break;
        if (payload && bytes[at + 4] == 1) usleep(20000);
        append(&c->out, &c->out_len, &c->out_cap, bytes + at, 4 + (size_t)payload);
        at += 4 + (size_t)payload;
    }
    if (bytes == c->part) {
        memmove(c->part, c->part + at, len - at);
        c->part_len = len - at;
    } else if (at < len) {
        append(&c->part, &c->part_len, &c->part_cap, bytes + at, len - at);
    }
    if (!c->part_len && c->part) {
        free(c->part);
        c->part = NULL;
        c->part_cap = 0;
    }
    return 0;
}

/* One turn; -1 if the connection ended. */
static int turn(struct conn *c) {
    static unsigned char room[ROOM];
    if (c->out_len) {
        if (flush(c)) return -1;
        if (c->out_len) return 0;
    }
    if (!SSL_is_init_finished(c->ssl)) {
        int n = SSL_accept(c->ssl);
        if (n != 1) {
            int why = SSL_get_error(c->ssl, n);
            if (why == SSL_ERROR_WANT_WRITE) watch(c, 1);
            return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? 0 : -1;
        }
        watch(c, 0);
    }
    /* As much as is there, up to a bound, by which others get their turn. */
    for (size_t got = 0; got < ROOM;) {
        int n = SSL_read(c->ssl, room, ROOM);
        if (n <= 0) {
            int why = SSL_get_error(c->ssl, n);
            if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) break;
            return -1;
        }
        got += (size_t)n;
        if (take(c, room, (size_t)n)) return -1;
        if (!SSL_has_pending(c->ssl)) break;
    }
    return flush(c);
}

static void *exit_with_stdin(void *unused) {
    (void)unused;
    char byte;
    while (read(0, &byte, 1) == 1) {}
    exit(0);
}

static SSL_CTX *context(void) {
    const char *pem = getenv("NETPOLL_BENCH_IDENTITY");
    if (!pem) {
        fprintf(stderr, "NETPOLL_BENCH_IDENTITY is not set\n");
        exit(1);
    }
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *own = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    BIO_free(bio);
    if (!ctx || !own || !key || SSL_CTX_use_certificate(ctx, own) != 1 ||
        SSL_CTX_use_PrivateKey(ctx, key) != 1)
        die("the certificate");
    X509_free(own);
    EVP_PKEY_free(key);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(ctx, 1);
    return ctx;
}

int main(int argc, char **argv) {
    const char *address = "127.0.0.1:0";
    for (int i = 1; i + 1 < argc; i++)
        if (!strcmp(argv[i], "--listen")) address = argv[i + 1];
    char host[64] = "127.0.0.1";
    int port = 0;
    if (sscanf(address, "%63[^:]:%d", host, &port) != 2) die("--listen HOST:PORT");
    pthread_t watcher;
    pthread_create(&watcher, NULL, exit_with_stdin, NULL);
    SSL_CTX *ctx = context();

    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    inet_pton(AF_INET, host, &at.sin_addr);
    socklen_t at_len = sizeof at;
    if (bind(listener, (struct sockaddr *)&at, at_len) || listen(listener, 4096) ||
        getsockname(listener, (struct sockaddr *)&at, &at_len))
        die("listen");
    epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL}, events[512];
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event)) die("epoll_ctl");
    printf("listening on %s:%d\n", host, ntohs(at.sin_port));
    fflush(stdout);

    for (;;) {
        int n = epoll_wait(epoll, events, 512, -1);
        for (int i = 0; i < n; i++) {
            struct conn *c = events[i].data.ptr;
            if (c) {
                if (turn(c)) end(c);
                continue;
            }
            int fd;
            while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
                c = calloc(1, sizeof *c);
                c->fd = fd;
                c->ssl = SSL_new(ctx);
                SSL_set_fd(c->ssl, fd);
                SSL_set_accept_state(c->ssl);
                struct epoll_event added = {.events = EPOLLIN, .data.ptr = c};
                if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &added)) die("epoll_ctl");
            }
        }
    }
}
