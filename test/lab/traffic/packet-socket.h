#ifndef PACKET_SOCKET_H
#define PACKET_SOCKET_H

// Every frame of the pod's eth0, both ways.
int packet_socket(void);

#endif
