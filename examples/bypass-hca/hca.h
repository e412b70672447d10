/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The model of a ConnectX: functions (PCI virtual functions) on one subnet, and what each has. One
 * thread runs all functions of a subnet. Others only help to copy long messages.
 *
 * A guest can write every byte of commands, tables, queue entries and doorbell records. Each byte is
 * copied first, then checked and used on the copy.
 */
#ifndef HCA_H
#define HCA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bypass/slice.h>

#include "../../libbypass/base/log_limit.h"

#define HCA_BAR_SIZE	 (8u << 20)
#define HCA_PAGE	 4096u
#define HCA_FIRST_UAR	 16  /* the pages below are registers, and the MSI-X table */
#define HCA_FIRST_SHARED 256 /* UAR pages from here on are shared memory */
#define HCA_VECTORS	 9
#define HCA_FUNCTIONS	 32

#define HCA_LOG_EQS	   6
#define HCA_LOG_CQS	   14
#define HCA_LOG_QPS	   14
#define HCA_LOG_SRQS	   12
#define HCA_LOG_MKEYS	   16
#define HCA_LOG_PDS	   16
#define HCA_LOG_XRCDS	   8
#define HCA_LOG_UARS	   11
#define HCA_UARS	   (1u << HCA_LOG_UARS)
#define HCA_LOG_QUEUE	   15 /* entries of a QP or an SRQ */
#define HCA_LOG_CQ_ENTRIES 22
#define HCA_LOG_MESSAGE	   30
#define HCA_SQ_ENTRY	   1024 /* bytes, of the longest request */
#define HCA_RQ_ENTRY	   512
#define HCA_MTU		   4096

#define HCA_TABLES_MIB	  512  /* of this process, for one guest's translation tables */
#define HCA_KLMS	  1024 /* entries of one indirect memory key */
#define HCA_GROUP_MEMBERS 256
#define HCA_GROUP_GID	  16

/* Status of a command, as linux/mlx5/device.h has it */
enum status {
	STATUS_OK = 0,
	STATUS_INTERNAL = 1,
	STATUS_BAD_OPCODE = 2,
	STATUS_BAD_PARAMETER = 3,
	STATUS_BAD_RESOURCE = 5,
	STATUS_BUSY = 6,
	STATUS_LIMIT = 8,
	STATUS_BAD_STATE = 9,
	STATUS_BAD_QP_STATE = 0x10,
	STATUS_BAD_SIZE = 0x40, /* a CQ has more entries than the new size has room for */
	STATUS_BAD_INPUT_LENGTH = 0x50,
};

/* Syndrome of a completion with an error */
enum syndrome {
	SYNDROME_NONE = 0,
	SYNDROME_LOCAL_LENGTH = 0x01,
	SYNDROME_LOCAL_QP = 0x02,
	SYNDROME_LOCAL_PROTECTION = 0x04,
	SYNDROME_FLUSHED = 0x05,
	SYNDROME_BIND = 0x06,
	SYNDROME_REMOTE_REQUEST = 0x12,
	SYNDROME_REMOTE_ACCESS = 0x13,
	SYNDROME_REMOTE_OPERATION = 0x14,
	SYNDROME_RETRIES = 0x15,
	SYNDROME_RNR_RETRIES = 0x16,
};

enum event_type {
	EVENT_COMPLETION = 0x00,
	EVENT_ESTABLISHED = 0x02,
	EVENT_CQ_ERROR = 0x04,
	EVENT_PORT = 0x09,
	EVENT_COMMAND = 0x0a,
	EVENT_QP_REQUEST = 0x10,
	EVENT_QP_ACCESS = 0x11,
	EVENT_SRQ_LAST = 0x13,
	EVENT_SRQ_LIMIT = 0x14,
};

enum qp_state { QP_RESET, QP_INIT, QP_RTR, QP_RTS, QP_SQER, QP_SQD, QP_ERROR };

enum transport {
	TRANSPORT_RC = 0,
	TRANSPORT_UC = 1,
	TRANSPORT_UD = 2,
	TRANSPORT_XRC = 3,
	TRANSPORT_QP0 = 7,
	TRANSPORT_QP1 = 8,
	TRANSPORT_UMR = 12, /* the driver's own, for memory keys */
};

/* Objects by number */
struct table {
	void **slots;
	uint32_t size;
	uint32_t first; /* number that table_add() gives at first */
	uint32_t next;	/* where the search begins */
	uint32_t count; /* of objects */
	uint32_t limit; /* of them */
};

/* A queue in guest memory: a list of pages of 1 << page_shift bytes */
struct ring {
	uint64_t *pages;
	uint32_t n_pages;
	uint32_t offset; /* of the first entry in the first page */
	uint8_t page_shift;
};

/* A shared UAR page, and a queue that uses it */
struct uar_page {
	struct uar_user *qps, *cqs;
	struct uar_page *next, **at; /* while it has users */
};

struct uar_user {
	struct uar_page *page; /* NULL: the queue's page is not shared */
	struct uar_user *next, **at;
};

struct eq {
	struct ring ring;
	uint64_t events[4]; /* bit mask of types */
	uint32_t producer;
	uint32_t consumer;
	uint32_t vector;
	uint8_t log_size;
	bool armed;
};

enum arm { ARM_NONE, ARM_SOLICITED, ARM_ANY };

struct cq {
	struct ring ring;
	uint64_t record; /* doorbell record: consumer, arm */
	uint32_t producer;
	uint32_t last_solicited; /* producer after the last solicited completion */
	uint32_t notified;	 /* producer at the last event */
	uint32_t eqn;
	uint32_t number;
	uint32_t seen; /* arm word of the record, when last looked at */
	struct uar_user uar;
	enum arm arm;
	uint8_t log_size;
	uint8_t log_stride;
	bool ignore_overrun;
	bool overrun;
	uint8_t context[64];
};

struct srq {
	struct ring ring;
	uint64_t record;
	uint32_t pd;
	uint32_t xrcd; /* XRC only, and so is cqn */
	uint32_t cqn;
	uint16_t next; /* index of the entry to be used next */
	uint16_t used; /* entries used so far */
	uint16_t limit;
	uint8_t log_size;
	uint8_t log_stride;
	bool xrc;
	uint8_t context[64]; /* of the XRC SRQ or of the RMP's work queue */
};

struct mkey {
	uint8_t *table; /* translations: 8 bytes a page, or 16 bytes a range of another key */
	uint64_t start;
	uint64_t length;
	uint32_t octowords; /* size of @table */
	uint32_t pd;
	uint32_t qpn; /* bound to this QP alone, when @bound */
	uint8_t key;
	uint8_t mode;
	uint8_t page_shift;
	bool whole; /* all addresses, @length does not count */
	bool local_write, remote_read, remote_write, remote_atomic;
	bool free, invalidatable, changeable, bound;
	uint8_t context[64];
};

struct qp {
	struct hca *hca;
	uint32_t number;
	struct ring ring; /* receive queue, then send queue */
	uint32_t send_offset;
	uint16_t send_index; /* entries taken so far, in blocks of 64 bytes */
	uint16_t receive_index;
	uint8_t log_rq, log_rq_stride, log_sq;
	bool has_rq, has_sq;
	bool established; /* a message has come in state RTR */
	uint8_t retries;  /* of the request at send_index */
	uint8_t rnr_retries;
	uint8_t context[232];
	struct uar_user uar;

	/* In the list of those that have work (wake 0), or of those that wait until a time. */
	bool queued;
	uint64_t wake;
	struct qp *prev, *next;
};

struct member {
	uint8_t gid[HCA_GROUP_GID];
	uint32_t qpn;
};

struct qp_list {
	struct qp *first, *last;
};

/* Of each function: objects, and MiB of translation tables */
struct limits {
	uint32_t qps, cqs, srqs, mkeys, pds, tables;
};

struct subnet {
	struct limits limits;		      /* all zero: the default ones */
	struct hca *functions[HCA_FUNCTIONS]; /* by LID - 1 */
	struct qp_list ready;
	struct qp_list waiting;
	bool worked;		 /* the last run of subnet_run() had something to do */
	bool listens;		 /* doorbells may ring in shared memory */
	bool traps;		 /* no UAR page is shared memory */
	struct copiers *copiers; /* threads that help to copy; NULL: none */
};

/* What a port counts. A message has as many packets as its data need of the port's MTU. */
struct traffic {
	uint64_t packets, octets;
};

/* One function */
struct hca {
	struct bypass_slice slice;
	struct subnet *subnet;
	unsigned int lid;
	struct log_limit log;
	uint8_t config[256];
	bool bus_master; /* as the command register says */
	int fds[HCA_VECTORS];
	const struct bypass_memory *mem;
	uint64_t interrupts;
	uint64_t doorbells;
	struct bypass_window window; /* the shared UAR pages */
	struct uar_page uar_pages[HCA_UARS];
	struct uar_page *used_uars;

	/* To one port, and to a multicast group */
	struct traffic sent[2], received[2];

	bool port_down;
	bool failed;	     /* until the driver starts anew */
	uint64_t commands;   /* address of the command queue */
	bool command_events; /* a command's end is told by an event */
	uint8_t capabilities[256];
	struct table eqs, cqs, qps, srqs, mkeys, pds, xrcds, uars;
	uint32_t octowords; /* in all translation tables */
	struct member members[HCA_GROUP_MEMBERS];
	unsigned int n_members;
};

/* A command: the input is a private copy, followed by zeroes; the output is zeroed. */
struct command {
	uint16_t opcode;
	uint16_t modifier;
	const uint8_t *in;
	uint32_t in_size;
	uint8_t *out;
	uint32_t out_size;
};

#define COMMAND_PADDING 4096 /* bytes of both that can always be touched */

/* An input that ends early has fewer pages: ring_open() refuses it. */
static inline uint32_t command_left(const struct command *cmd, uint32_t offset)
{
	return cmd->in_size > offset ? cmd->in_size - offset : 0;
}

typedef enum status command_fn(struct hca *hca, const struct command *cmd);

/* table.c */
int table_open(struct table *table, uint32_t log_size, uint32_t first, uint32_t limit);
uint32_t table_add(struct table *table, void *object); /* the number; 0: full */
bool table_add_at(struct table *table, uint32_t number, void *object);
void *table_get(const struct table *table, uint32_t number); /* NULL: none */
void table_remove(struct table *table, uint32_t number);

/* limit.c */
extern const struct limits limits_default;
int limits_set(struct limits *limits, const char *text); /* NAME=N */

/* memory.c */
bool dma_read(const struct hca *hca, uint64_t address, void *data, uint64_t size);
bool dma_write(const struct hca *hca, uint64_t address, const void *data, uint64_t size);
/*
 * The memory at @address, and how many bytes of it, up to @size, lie side by side. NULL: none, or the
 * function may not reach memory.
 */
uint8_t *dma_span(const struct hca *hca, uint64_t address, uint64_t *size);

/* ring.c */
/* @pages: the list, of @left bytes at the most; @size: bytes of all entries */
enum status ring_open(struct ring *ring, const uint8_t *pages, uint32_t left, uint32_t log_page,
		      uint32_t page_offset, uint64_t size);
void ring_close(struct ring *ring);
bool ring_read(const struct hca *hca, const struct ring *ring, uint64_t offset, void *data,
	       uint32_t size);
bool ring_write(const struct hca *hca, const struct ring *ring, uint64_t offset, const void *data,
		uint32_t size);

/* eq.c */
void eq_post(struct hca *hca, uint32_t eqn, uint8_t type, uint8_t subtype, const uint8_t data[28]);
/* To the queue that has asked for events of this type */
void event_post(struct hca *hca, enum event_type type, uint8_t subtype, const uint8_t data[28]);
/* Of a QP or an SRQ */
void event_of_object(struct hca *hca, enum event_type type, uint32_t number);
void eq_doorbell(struct hca *hca, uint32_t value, bool arm);
void eq_free(struct hca *hca, uint32_t number);
command_fn eq_create, eq_destroy, eq_query;

/* cq.c */
/* False: no such queue, or no room in the queue. @cqe: its last byte is set here. */
bool cq_post(struct hca *hca, uint32_t number, uint8_t cqe[64], uint8_t opcode, bool solicited);
void cq_doorbell(struct hca *hca, uint32_t number, uint32_t value);
void cq_free(struct hca *hca, uint32_t number);
void cq_look(struct hca *hca, struct cq *cq); /* at its doorbell record */
command_fn cq_create, cq_destroy, cq_query, cq_modify;

/* mkey.c */
enum right { LOCAL_READ, LOCAL_WRITE, REMOTE_READ, REMOTE_WRITE, REMOTE_ATOMIC };
#define ANY_PD UINT32_MAX

/* What an access to memory by key is checked against */
struct access {
	struct hca *hca;
	uint32_t pd;
	uint32_t qpn;
	enum right right;
};
/* As dma_span(); NULL also when the key does not allow the access. */
uint8_t *mkey_span(const struct access *access, uint32_t key, uint64_t address, uint64_t *size);
bool mkey_invalidate(struct hca *hca, uint32_t key, uint32_t pd);
/* A work request that changes a memory key; @ds: its length in 16 bytes */
enum syndrome mkey_change(struct qp *qp, const uint8_t *request, uint32_t ds);
void mkey_free(struct hca *hca, uint32_t number);
command_fn mkey_create, mkey_destroy, mkey_query;

/* srq.c */
void srq_free(struct hca *hca, uint32_t number);
/* SRQ @number when @qp, a target of XRC, may receive from that SRQ; NULL otherwise */
struct srq *srq_of_target(const struct qp *qp, uint32_t number);
command_fn rmp_create, rmp_modify, rmp_query, srq_create, srq_arm, srq_query, srq_destroy;

/* group.c */
bool group_has(const struct hca *hca, const uint8_t *gid, uint32_t qpn);
void group_leave_all(struct hca *hca, uint32_t qpn);
command_fn group_attach, group_detach;

/* port.c */
uint64_t port_guid(const struct hca *hca);
bool port_gid(const struct hca *hca, unsigned int index, uint8_t gid[16]);
/* What @from reaches: NULL when no function has the LID, or a port of the two is down */
struct hca *port_find(const struct hca *from, uint32_t lid);
void port_set(struct hca *hca, bool up);
void traffic_add(struct traffic *traffic, uint32_t length);
command_fn port_query, port_gid_query, port_pkey_query, port_state_query, port_counters,
	port_register;

/* capability.c */
void capabilities_power_on(struct hca *hca);
command_fn capability_query, capability_set, issi_query, adapter_query, special_query, pages_manage;

/* number.c */
command_fn pd_alloc, pd_dealloc, xrcd_alloc, xrcd_dealloc;

/* uar.c */
int uar_open(struct hca *hca);
void uar_close(struct hca *hca);
bool uar_is_shared(const struct hca *hca, uint32_t number);
void uar_join_qp(struct qp *qp);
void uar_join_cq(struct hca *hca, struct cq *cq);
void uar_leave(struct uar_user *user);
uint8_t *uar_memory(const struct hca *hca, uint32_t number); /* of a shared page */
command_fn uar_alloc, uar_dealloc;

/* doorbell.c */
/* False: no doorbell has rung in shared memory. */
bool doorbells_look(struct hca *hca);
/* A store of the guest that trapped */
void doorbell_write(struct hca *hca, uint64_t offset, const uint8_t *data, uint32_t size);

/* schedule.c */
uint64_t now_ns(void);
uint64_t cpu_ns(void); /* of this thread */
void qp_ready(struct qp *qp);
void qp_wait(struct qp *qp, uint64_t ns);
void qp_unlist(struct qp *qp);
/* Requests that the driver has posted and the model has not taken */
uint16_t qp_pending(const struct qp *qp);

/* flush.c */
void qp_flush(struct qp *qp);
void qp_error(struct qp *qp); /* to the error state */

/* receive.c */
struct request;
enum receive_result { RECEIVED, RECEIVE_NONE, RECEIVE_SHORT, RECEIVE_FAULT, RECEIVE_BROKEN };
bool receive_empty(const struct qp *qp, uint32_t srqn);
/* @data: false for a write with immediate, which only takes a receive request */
enum receive_result receive(struct qp *to, const struct qp *from, const struct request *request,
			    bool data);

/* send.c */
/* False: the QP has no more to do now. */
bool send_one(struct qp *qp);

/* qp.c */
void qp_free(struct hca *hca, uint32_t number);
command_fn qp_create, qp_destroy, qp_query, qp_reset_to_init, qp_init_to_init, qp_init_to_rtr,
	qp_rtr_to_rts, qp_rts_to_rts, qp_to_error, qp_to_reset;

/* power.c */
int hca_objects_open(struct hca *hca); /* the tables, empty */
/* As a device that is broken: says so in a register, and does nothing more. */
void hca_fail(struct hca *hca);
void hca_objects_clear(struct hca *hca);
void hca_objects_close(struct hca *hca);
command_fn hca_enable, hca_disable;

/* command.c */
void commands_run(struct hca *hca, uint32_t mask);

/* slice.c */
/* A function of a subnet; bypass_slice_close() takes it off again. */
int hca_open(struct subnet *subnet, struct bypass_slice **slice);

/* control.c */
struct control {
	const char *path; /* NULL: no socket */
	int listener;
	int client; /* -1: none */
	char line[64];
	size_t used;
};
int control_open(struct control *control, const char *path, const char *group);
void control_close(struct control *control);
int control_fd(const struct control *control); /* to poll; -1: none */
void control_dispatch(struct control *control, struct subnet *subnet);

/* run.c */
/* A bounded amount of work. How long there is nothing more to do, in ns; -1: until a doorbell. */
int64_t subnet_run(struct subnet *subnet);
/* idle.c */
struct idle {
	uint64_t since; /* the last work, ns */
	uint64_t cpu;	/* CPU time at the last sleep; 0: not known */
	int64_t cost;	/* CPU time from one sleep to the next */
};
/* True: look at shared memory again, without a sleep. */
bool idle_is_over(struct idle *idle, bool worked, uint64_t now);
/* How long to sleep before the next look, in ns. @cpu: of this thread */
uint64_t idle_sleep(struct idle *idle, uint64_t now, uint64_t cpu);

#endif
