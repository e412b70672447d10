// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A hostile process in a guest: commands of the ucma ABI, right but for a field or two, on the device
 * rdma_cm from several threads, which use each other's ids and channels.
 *
 *	ucma-hostile ADDRESS SECONDS [SEED]	ADDRESS (IPv4) is the guest's own
 *
 * It spares others: what it connects to is its own address, or one that nobody has. It ends with ids,
 * groups and events left: the kernel has to clean up.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <rdma/rdma_user_cm.h>

#include "chance.h"
#include "fail.h"

#define THREADS	 3
#define CHANNELS 4
#define IDS	 32
#define COMMANDS (RDMA_USER_CM_CMD_JOIN_MCAST + 1)

union body {
	uint8_t bytes[512];
	struct rdma_ucm_create_id create;
	struct rdma_ucm_destroy_id destroy;
	struct rdma_ucm_bind_ip bind_ip;
	struct rdma_ucm_bind bind;
	struct rdma_ucm_resolve_ip resolve_ip;
	struct rdma_ucm_resolve_addr resolve_addr;
	struct rdma_ucm_resolve_route resolve_route;
	struct rdma_ucm_query query;
	struct rdma_ucm_connect connect;
	struct rdma_ucm_listen listen;
	struct rdma_ucm_accept accept;
	struct rdma_ucm_reject reject;
	struct rdma_ucm_disconnect disconnect;
	struct rdma_ucm_init_qp_attr init;
	struct rdma_ucm_get_event event;
	struct rdma_ucm_set_option option;
	struct rdma_ucm_notify notify;
	struct rdma_ucm_join_ip_mcast join_ip;
	struct rdma_ucm_join_mcast join;
	struct rdma_ucm_migrate_id migrate;
};

static const uint16_t sizes[COMMANDS] = {
	[RDMA_USER_CM_CMD_CREATE_ID] = sizeof(struct rdma_ucm_create_id),
	[RDMA_USER_CM_CMD_DESTROY_ID] = sizeof(struct rdma_ucm_destroy_id),
	[RDMA_USER_CM_CMD_BIND_IP] = sizeof(struct rdma_ucm_bind_ip),
	[RDMA_USER_CM_CMD_RESOLVE_IP] = sizeof(struct rdma_ucm_resolve_ip),
	[RDMA_USER_CM_CMD_RESOLVE_ROUTE] = sizeof(struct rdma_ucm_resolve_route),
	[RDMA_USER_CM_CMD_QUERY_ROUTE] = sizeof(struct rdma_ucm_query),
	[RDMA_USER_CM_CMD_CONNECT] = sizeof(struct rdma_ucm_connect),
	[RDMA_USER_CM_CMD_LISTEN] = sizeof(struct rdma_ucm_listen),
	[RDMA_USER_CM_CMD_ACCEPT] = sizeof(struct rdma_ucm_accept),
	[RDMA_USER_CM_CMD_REJECT] = sizeof(struct rdma_ucm_reject),
	[RDMA_USER_CM_CMD_DISCONNECT] = sizeof(struct rdma_ucm_disconnect),
	[RDMA_USER_CM_CMD_INIT_QP_ATTR] = sizeof(struct rdma_ucm_init_qp_attr),
	[RDMA_USER_CM_CMD_GET_EVENT] = sizeof(struct rdma_ucm_get_event),
	[RDMA_USER_CM_CMD_SET_OPTION] = sizeof(struct rdma_ucm_set_option),
	[RDMA_USER_CM_CMD_NOTIFY] = sizeof(struct rdma_ucm_notify),
	[RDMA_USER_CM_CMD_JOIN_IP_MCAST] = sizeof(struct rdma_ucm_join_ip_mcast),
	[RDMA_USER_CM_CMD_LEAVE_MCAST] = sizeof(struct rdma_ucm_destroy_id),
	[RDMA_USER_CM_CMD_MIGRATE_ID] = sizeof(struct rdma_ucm_migrate_id),
	[RDMA_USER_CM_CMD_QUERY] = sizeof(struct rdma_ucm_query),
	[RDMA_USER_CM_CMD_BIND] = sizeof(struct rdma_ucm_bind),
	[RDMA_USER_CM_CMD_RESOLVE_ADDR] = sizeof(struct rdma_ucm_resolve_addr),
	[RDMA_USER_CM_CMD_JOIN_MCAST] = sizeof(struct rdma_ucm_join_mcast),
};

static pthread_mutex_t chance_lock = PTHREAD_MUTEX_INITIALIZER;
static int channels[CHANNELS];
static uint32_t ids[IDS], groups[IDS]; /* any thread writes them at any time: numbers, no more */
static struct in_addr own;
static time_t end;
static unsigned long accepted[COMMANDS], refused[COMMANDS];

/*
 * Where answers go. The first bytes are an id where the command makes one. Around them lies memory
 * of no use: an address of which three bytes are wrong leads there.
 */
#define WASTE (1ul << 24)
static __thread union answer {
	uint32_t id;
	struct rdma_ucm_event_resp event;
	uint8_t bytes[4096];
} * answer;

static uint32_t some(const uint32_t *of)
{
	return one_in(16) ? number() : of[below(IDS)];
}

static void fill_address(void *to, bool group)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(7000 + below(4))};

	in.sin_addr = own;
	if (group)
		in.sin_addr.s_addr = htonl(0xef010200 + below(4));
	else if (one_in(4))
		in.sin_addr.s_addr = one_in(2) ? 0 : htonl(ntohl(own.s_addr) | 0xfe);
	if (one_in(16))
		in.sin_family = number();
	if (one_in(16))
		in.sin_port = number();
	memcpy(to, &in, sizeof(in));
}

static void fill_conn(struct rdma_ucm_conn_param *conn)
{
	conn->valid = !one_in(8);
	conn->qp_num = one_in(2) ? below(64) : 0;
	conn->responder_resources = conn->initiator_depth = 1;
	conn->retry_count = below(9);
	conn->private_data_len = one_in(4) ? number() : 8;
}

static void fill_join(union body *b, uint32_t command)
{
	if (command == RDMA_USER_CM_CMD_JOIN_MCAST) {
		b->join.response = (uintptr_t)answer;
		b->join.uid = number();
		b->join.id = some(ids);
		b->join.addr_size = sizeof(struct sockaddr_in);
		b->join.join_flags = 1 + below(2);
		fill_address(&b->join.addr, true);
	} else {
		b->join_ip.response = (uintptr_t)answer;
		b->join_ip.uid = number();
		b->join_ip.id = some(ids);
		fill_address(&b->join_ip.addr, true);
	}
}

static void fill(union body *b, uint32_t command)
{
	static uint32_t value;

	memset(b, 0, sizeof(*b));
	/* Most have their answer's address first, then the id. */
	b->destroy.response = (uintptr_t)answer;
	b->destroy.id = some(ids);
	switch (command) {
	case RDMA_USER_CM_CMD_CREATE_ID:
		b->create.uid = one_in(8) ? 0 : number();
		b->create.response = (uintptr_t)answer;
		b->create.ps = one_in(2) ? RDMA_PS_TCP : RDMA_PS_UDP;
		break;
	case RDMA_USER_CM_CMD_BIND_IP:
		b->bind_ip.id = some(ids);
		fill_address(&b->bind_ip.addr, false);
		break;
	case RDMA_USER_CM_CMD_BIND:
		b->bind.id = some(ids);
		b->bind.addr_size = sizeof(struct sockaddr_in);
		fill_address(&b->bind.addr, false);
		break;
	case RDMA_USER_CM_CMD_RESOLVE_IP:
		memset(&b->resolve_ip.src_addr, 0, sizeof(b->resolve_ip.src_addr));
		b->resolve_ip.id = some(ids);
		b->resolve_ip.timeout_ms = below(100);
		fill_address(&b->resolve_ip.dst_addr, false);
		break;
	case RDMA_USER_CM_CMD_RESOLVE_ADDR:
		b->resolve_addr.id = some(ids);
		b->resolve_addr.timeout_ms = below(100);
		b->resolve_addr.dst_size = sizeof(struct sockaddr_in);
		fill_address(&b->resolve_addr.dst_addr, false);
		break;
	case RDMA_USER_CM_CMD_RESOLVE_ROUTE:
		b->resolve_route.id = some(ids);
		b->resolve_route.timeout_ms = below(100);
		break;
	case RDMA_USER_CM_CMD_CONNECT:
		b->connect.id = some(ids);
		fill_conn(&b->connect.conn_param);
		break;
	case RDMA_USER_CM_CMD_LISTEN:
		b->listen.id = some(ids);
		b->listen.backlog = number();
		break;
	case RDMA_USER_CM_CMD_ACCEPT:
		b->accept.uid = number();
		b->accept.id = some(ids);
		fill_conn(&b->accept.conn_param);
		break;
	case RDMA_USER_CM_CMD_REJECT:
		b->reject.id = some(ids);
		b->reject.private_data_len = number();
		break;
	case RDMA_USER_CM_CMD_DISCONNECT:
		b->disconnect.id = some(ids);
		break;
	case RDMA_USER_CM_CMD_INIT_QP_ATTR:
		b->init.qp_state = below(5);
		break;
	case RDMA_USER_CM_CMD_SET_OPTION:
		value = number();
		b->option.id = some(ids);
		b->option.optval = (uintptr_t)&value;
		b->option.optname = below(5);
		b->option.optlen = one_in(2) ? 4 : 1;
		break;
	case RDMA_USER_CM_CMD_NOTIFY:
		b->notify.id = some(ids);
		b->notify.event = below(8);
		break;
	case RDMA_USER_CM_CMD_JOIN_IP_MCAST:
	case RDMA_USER_CM_CMD_JOIN_MCAST:
		fill_join(b, command);
		break;
	case RDMA_USER_CM_CMD_LEAVE_MCAST:
		b->destroy.id = some(groups);
		break;
	case RDMA_USER_CM_CMD_MIGRATE_ID:
		b->migrate.fd = one_in(8) ? number() : (uint32_t)channels[below(CHANNELS)];
		break;
	}
}

static void remember(uint32_t command)
{
	if (command == RDMA_USER_CM_CMD_CREATE_ID ||
	    (command == RDMA_USER_CM_CMD_GET_EVENT && answer->event.event == 4))
		ids[below(IDS)] = command ? answer->event.id : answer->id;
	if (command == RDMA_USER_CM_CMD_JOIN_IP_MCAST || command == RDMA_USER_CM_CMD_JOIN_MCAST)
		groups[below(IDS)] = answer->id;
}

static void send_one(void)
{
	struct {
		struct rdma_ucm_cmd_hdr header;
		union body body;
	} message;
	uint32_t command;
	size_t size;
	int fd;

	pthread_mutex_lock(&chance_lock);
	/* Ids are needed, and events: else nothing else has anything to be about. */
	command = one_in(4)   ? RDMA_USER_CM_CMD_GET_EVENT
		  : one_in(8) ? RDMA_USER_CM_CMD_CREATE_ID
			      : below(COMMANDS);
	fill(&message.body, command);
	message.header = (struct rdma_ucm_cmd_hdr){
		.cmd = command, .in = sizes[command], .out = sizeof(*answer)};
	if (one_in(8))
		message.body.bytes[below(sizeof(message.body))] = number();
	if (one_in(16))
		message.header.in = number();
	if (one_in(16))
		message.header.out = number();
	if (one_in(64))
		message.header.cmd = number();
	size = one_in(16) ? below(sizeof(message)) : sizeof(message);
	fd = channels[below(CHANNELS)];
	pthread_mutex_unlock(&chance_lock);

	if (write(fd, &message, size) < 0) {
		__atomic_fetch_add(&refused[command], 1, __ATOMIC_RELAXED);
		return;
	}
	__atomic_fetch_add(&accepted[command], 1, __ATOMIC_RELAXED);
	pthread_mutex_lock(&chance_lock);
	remember(command);
	pthread_mutex_unlock(&chance_lock);
}

static void *attack(void *unused)
{
	uint8_t *waste = mmap(NULL, 3 * WASTE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	(void)unused;
	if (waste == MAP_FAILED)
		fail("no memory for answers");
	answer = (void *)(((uintptr_t)waste & -WASTE) + WASTE + WASTE / 2);
	while (time(NULL) < end)
		send_one();
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS];

	if (argc < 3 || argc > 4 || inet_pton(AF_INET, argv[1], &own) != 1) {
		fputs("usage: ucma-hostile ADDRESS SECONDS [SEED]\n", stderr);
		return 2;
	}
	chance = argc > 3 ? strtoull(argv[3], NULL, 0) : (uint64_t)time(NULL) + 1;
	printf("hostile: seed %#llx\n", (unsigned long long)chance);
	fflush(stdout);
	end = time(NULL) + strtol(argv[2], NULL, 0);
	for (int i = 0; i < CHANNELS; i++) {
		channels[i] = open("/dev/infiniband/rdma_cm", O_RDWR | O_NONBLOCK);
		if (channels[i] < 0)
			fail("cannot open rdma_cm");
	}
	for (int i = 0; i < THREADS; i++) {
		if (pthread_create(&threads[i], NULL, attack, NULL))
			fail("cannot start a thread");
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (uint32_t c = 0; c < COMMANDS; c++)
		printf("hostile: command %u accepted %lu refused %lu\n", c, accepted[c],
		       refused[c]);
	return 0;
}
