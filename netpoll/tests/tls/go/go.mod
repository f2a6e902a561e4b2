module netpoll-tls-peer

go 1.19
