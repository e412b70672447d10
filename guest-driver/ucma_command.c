// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What a process writes: the commands of the ucma ABI (rdma/rdma_user_cm.h, version 4), with the errors
 * that rdma_ucm gives. AF_IB addresses, and with them path records of the process's own, do not exist
 * here: librdmacm then uses the commands for IP addresses.
 */
#include <linux/in.h>
#include <linux/file.h>
#include <linux/slab.h>
#include <rdma/ib_user_verbs.h>

#include "ucma.h"

/* A command of an id, from where the id is known to where it is not needed any more. */
static int on_id(const struct ucma_caller *call, u32 number, u32 command, void *request,
		 size_t size, void *response, size_t response_size)
{
	struct ucma_id *id = ucma_id_get(call->file, number);
	int err;

	if (IS_ERR(id))
		return PTR_ERR(id);
	mutex_lock(&id->lock);
	err = ucma_id_execute(id, command, request, size, response, response_size);
	mutex_unlock(&id->lock);
	ucma_id_put(id);
	return err;
}

/* Likewise one that names an address. */
static int on_address(const struct ucma_caller *call, u32 number, u32 command, void *request,
		      size_t size)
{
	struct ucma_id *id = ucma_id_get(call->file, number);
	int err;

	if (IS_ERR(id))
		return PTR_ERR(id);
	mutex_lock(&id->lock);
	err = ucma_id_choose(id, command, request, size);
	mutex_unlock(&id->lock);
	ucma_id_put(id);
	return err;
}

static int create_id(const struct ucma_caller *call, const void *in)
{
	const struct rdma_ucm_create_id *cmd = in;
	struct rdma_ucm_create_id_resp resp;
	struct ucma_id *id;
	int err;

	if (cmd->ps != RDMA_PS_TCP && cmd->ps != RDMA_PS_UDP)
		return -EOPNOTSUPP;
	id = ucma_id_make(cmd->ps, cmd->uid);
	if (!id)
		return -ENOMEM;
	mutex_lock(&ucma_lock);
	err = ucma_id_publish(id, call->file);
	resp.id = id->number;
	mutex_unlock(&ucma_lock);
	if (err)
		goto put;
	err = ucma_answer(call, cmd->response, &resp, sizeof(resp));
	if (!err)
		return 0;
	/* Another thread may have guessed the number, and destroyed the id. */
	id = ucma_id_take(call->file, resp.id);
	if (!IS_ERR(id))
		ucma_id_destroy(id);
	return err;
put:
	ucma_id_put(id);
	return err;
}

static int destroy_id(const struct ucma_caller *call, const void *in)
{
	const struct rdma_ucm_destroy_id *cmd = in;
	struct rdma_ucm_destroy_id_resp resp;
	struct ucma_id *id = ucma_id_take(call->file, cmd->id);

	if (IS_ERR(id))
		return PTR_ERR(id);
	resp.events_reported = ucma_id_destroy(id);
	return ucma_answer(call, cmd->response, &resp, sizeof(resp));
}

static int bind_to(const struct ucma_caller *call, u32 id, const void *addr, size_t size)
{
	struct bypass_rdma_cm_bind request = {};
	int err = ucma_pack_addr(&request.addr, addr, size);

	if (err || !request.addr.family)
		return -EINVAL;
	return on_address(call, id, BYPASS_RDMA_CM_BIND, &request, sizeof(request));
}

static int bind_ip(const struct ucma_caller *call, const void *in)
{
	const struct rdma_ucm_bind_ip *cmd = in;

	return bind_to(call, cmd->id, &cmd->addr, sizeof(cmd->addr));
}

static int bind(const struct ucma_caller *call, const void *in)
{
	const struct rdma_ucm_bind *cmd = in;

	if (cmd->reserved || cmd->addr_size > sizeof(cmd->addr))
		return -EINVAL;
	return bind_to(call, cmd->id, &cmd->addr, cmd->addr_size);
}

static int resolve(const struct ucma_caller *call, u32 id, u32 timeout_ms, const void *src,
		   size_t src_size, const void *dst, size_t dst_size)
{
	struct bypass_rdma_cm_resolve_addr request = {.timeout_ms = cpu_to_le32(timeout_ms)};
	int err = src_size ? ucma_pack_addr(&request.src, src, src_size) : 0;

	if (!err)
		err = ucma_pack_addr(&request.dst, dst, dst_size);
	if (err)
		return err;
	return on_address(call, id, BYPASS_RDMA_CM_RESOLVE_ADDR, &request, sizeof(request));
}

static int resolve_ip(const struct ucma_caller *call, const void *in)
{
	const struct rdma_ucm_resolve_ip *cmd = in;

	return resolve(call, cmd->id, cmd->timeout_ms, &cmd->src_addr, sizeof(cmd->src_addr),
		       &cmd->dst_addr, sizeof(cmd->dst_addr));
}

static int resolve_addr(const struct ucma_caller *call, const void *in)
{
	const struct rdma_ucm_resolve_addr *cmd = in;

	if (cmd->reserved || cmd->src_size > sizeof(cmd->src_addr) ||
	    cmd->dst_size > sizeof(cmd->dst_addr))
		return -EINVAL;
	return resolve(call, cmd->id, cmd->timeout_ms, &cmd->src_addr, cmd->src_size,
		       &cmd->dst_addr, cmd->dst_size);
}

static int resolve_route(const struct ucma_caller *call, const void *in)
{
	const struct rdma_ucm_resolve_route *cmd = in;
	struct bypass_rdma_cm_resolve_route request = {.timeout_ms = cpu_to_le32(cmd->timeout_ms)};

	return on_id(call, cmd->id, BYPASS_RDMA_CM_RESOLVE_ROUTE, &request, sizeof(request), NULL,
		     0);
}

static void unpack_path(struct ib_user_path_rec *to, const struct bypass_rdma_cm_path *from)
{
	memcpy(to->dgid, from->dgid, sizeof(to->dgid));
	memcpy(to->sgid, from->sgid, sizeof(to->sgid));
	to->dlid = from->dlid;
	to->slid = from->slid;
	to->raw_traffic = le32_to_cpu(from->raw_traffic);
	to->flow_label = from->flow_label;
	to->reversible = le32_to_cpu(from->reversible);
	to->mtu = le32_to_cpu(from->mtu);
	to->pkey = from->pkey;
	to->hop_limit = from->hop_limit;
	to->traffic_class = from->traffic_class;
	to->numb_path = from->numb_path;
	to->sl = from->sl;
	to->mtu_selector = from->mtu_selector;
	to->rate_selector = from->rate_selector;
	to->rate = from->rate;
	to->packet_life_time_selector = from->packet_life_time_selector;
	to->packet_life_time = from->packet_life_time;
	to->preference = from->preference;
}

/* What the process sees of an id: its device is the guest's, by the guest's number. */
static int ask_route(const struct ucma_caller *call, u32 number, struct bypass_rdma_cm_route *route,
		     struct rdma_ucm_query_route_resp *resp)
{
	struct ucma_id *id = ucma_id_get(call->file, number);
	struct bypass_rdma_handle request = {};
	int err = 0;

	memset(resp, 0, sizeof(*resp));
	memset(route, 0, sizeof(*route));
	if (IS_ERR(id))
		return PTR_ERR(id);
	mutex_lock(&id->lock);
	if (id->slice || id->gone)
		err = ucma_id_execute(id, BYPASS_RDMA_CM_QUERY_ROUTE, &request, sizeof(request),
				      route, sizeof(*route));
	if (!err && route->bound) {
		resp->node_guid = (__force u64)id->slice->ibdev->node_guid;
		resp->ibdev_index = id->slice->ibdev->index;
	}
	mutex_unlock(&id->lock);
	ucma_id_put(id);
	return err;
}

static int query_route(const struct ucma_caller *call, const void *in)
{
	const struct rdma_ucm_query *cmd = in;
	struct rdma_ucm_query_route_resp resp;
	struct bypass_rdma_cm_route route;
	int err = ask_route(call, cmd->id, &route, &resp);

	if (err)
		return err;
	resp.num_paths = min_t(u32, le32_to_cpu(route.n_paths), BYPASS_RDMA_CM_PATHS_MAX);
	resp.port_num = le32_to_cpu(route.port);
	ucma_unpack_addr(&resp.src_addr, &route.src);
	ucma_unpack_addr(&resp.dst_addr, &route.dst);
	for (u32 i = 0; i < BYPASS_RDMA_CM_PATHS_MAX; i++)
		unpack_path(&resp.ib_route[i], &route.paths[i]);
	return ucma_answer(call, cmd->response, &resp, sizeof(resp));
}

/* An id that is not bound listens on the slice's first address, on a port that the host chooses. */
static int listen(const struct ucma_caller *call, const void *in)
{
	const struct rdma_ucm_listen *cmd = in;
	struct bypass_rdma_cm_listen request = {.backlog = cpu_to_le32(cmd->backlog)};
	struct sockaddr_in any = {.sin_family = AF_INET};
	struct ucma_id *id = ucma_id_get(call->file, cmd->id);
	bool bound;
	int err;

	if (IS_ERR(id))
		return PTR_ERR(id);
	mutex_lock(&id->lock);
	bound = id->slice || id->gone;
	mutex_unlock(&id->lock);
	ucma_id_put(id);
	err = bound ? 0 : bind_to(call, cmd->id, &any, sizeof(any));
	if (err)
		return err;
	return on_id(call, cmd->id, BYPASS_RDMA_CM_LISTEN, &request, sizeof(request), NULL, 0);
}

static void pack_conn(struct bypass_rdma_cm_conn *to, const struct rdma_ucm_conn_param *from,
		      const struct rdma_ucm_ece *ece)
{
	to->qpn = cpu_to_le32(from->qp_num);
	to->qkey = cpu_to_le32(from->qkey);
	to->ece_vendor = cpu_to_le32(ece->vendor_id);
	to->ece_attr_mod = cpu_to_le32(ece->attr_mod);
	/* As rdma_cm: some programs leave here what is longer than the wire has room for. */
	to->srq = !!from->srq;
	to->flow_control = !!from->flow_control;
	to->retry_count = min_t(u8, from->retry_count, 7);
	to->rnr_retry_count = min_t(u8, from->rnr_retry_count, 7);
	to->responder_resources = from->responder_resources;
	to->initiator_depth = from->initiator_depth;
	to->private_data_len = from->private_data_len;
	memcpy(to->private_data, from->private_data, sizeof(to->private_data));
}

static int connect(const struct ucma_caller *call, const void *in)
{
	const struct rdma_ucm_connect *cmd = in;
	struct bypass_rdma_cm_connect request = {.valid = cpu_to_le32(1)};

	if (!cmd->conn_param.valid)
		return -EINVAL;
	pack_conn(&request.conn, &cmd->conn_param, &cmd->ece);
	return on_id(call, cmd->id, BYPASS_RDMA_CM_CONNECT, &request, sizeof(request), NULL, 0);
}

/* From here on the process hears of the id's events. */
static int accept(const struct ucma_caller *call, const void *in)
{
	const struct rdma_ucm_accept *cmd = in;
	struct bypass_rdma_cm_connect request = {};
	struct ucma_id *id = ucma_id_get(call->file, cmd->id);
	u64 before;
	int err;

	if (IS_ERR(id))
		return PTR_ERR(id);
	if (cmd->conn_param.valid) {
		request.valid = cpu_to_le32(1);
		pack_conn(&request.conn, &cmd->conn_param, &cmd->ece);
	}
	mutex_lock(&id->lock);
	mutex_lock(&ucma_lock);
	before = id->uid;
	if (cmd->conn_param.valid)
		id->uid = cmd->uid;
	mutex_unlock(&ucma_lock);
	err = ucma_id_execute(id, BYPASS_RDMA_CM_ACCEPT, &request, sizeof(request), NULL, 0);
	if (err) {
		mutex_lock(&ucma_lock);
		id->uid = before;
		mutex_unlock(&ucma_lock);
	}
	mutex_unlock(&id->lock);
	ucma_id_put(id);
	return err;
}

static int reject(const struct ucma_caller *call, const void *in)
{
	const struct rdma_ucm_reject *cmd = in;
	struct bypass_rdma_cm_reject request = {
		.reason = cmd->reason,
		.private_data_len = cmd->private_data_len,
	};

	memcpy(request.private_data, cmd->private_data, sizeof(request.private_data));
	return on_id(call, cmd->id, BYPASS_RDMA_CM_REJECT, &request, sizeof(request), NULL, 0);
}

static int disconnect(const struct ucma_caller *call, const void *in)
{
	const struct rdma_ucm_disconnect *cmd = in;
	struct bypass_rdma_handle request = {};

	return on_id(call, cmd->id, BYPASS_RDMA_CM_DISCONNECT, &request, sizeof(request), NULL, 0);
}

static int init_qp_attr(const struct ucma_caller *call, const void *in)
{
	const struct rdma_ucm_init_qp_attr *cmd = in;
	struct bypass_rdma_cm_init_qp request = {.qp_state = cpu_to_le32(cmd->qp_state)};
	struct bypass_rdma_modify_qp response;
	const struct bypass_rdma_qp_attr *from = &response.attr;
	struct ib_uverbs_qp_attr resp = {};
	int err;

	if (cmd->qp_state > IB_QPS_ERR)
		return -EINVAL;
	err = on_id(call, cmd->id, BYPASS_RDMA_CM_INIT_QP_ATTR, &request, sizeof(request),
		    &response, sizeof(response));
	if (err)
		return err;
	resp.qp_attr_mask = le32_to_cpu(response.mask);
	resp.qp_state = from->qp_state;
	resp.cur_qp_state = from->cur_qp_state;
	resp.path_mtu = from->path_mtu;
	resp.path_mig_state = from->path_mig_state;
	resp.qkey = le32_to_cpu(from->qkey);
	resp.rq_psn = le32_to_cpu(from->rq_psn);
	resp.sq_psn = le32_to_cpu(from->sq_psn);
	resp.dest_qp_num = le32_to_cpu(from->dest_qpn);
	resp.qp_access_flags = le32_to_cpu(from->access);
	ucma_unpack_ah(&resp.ah_attr, &from->ah);
	resp.pkey_index = le16_to_cpu(from->pkey_index);
	resp.max_rd_atomic = from->max_rd_atomic;
	resp.max_dest_rd_atomic = from->max_dest_rd_atomic;
	resp.min_rnr_timer = from->min_rnr_timer;
	resp.port_num = from->port;
	resp.timeout = from->timeout;
	resp.retry_cnt = from->retry_cnt;
	resp.rnr_retry = from->rnr_retry;
	return ucma_answer(call, cmd->response, &resp, sizeof(resp));
}

/* The next event of a file, which counts as one that the process has got; or an error. */
static struct ucma_event *take_event(struct ucma_file *file)
{
	struct ucma_event *event;
	int err = 0;

	mutex_lock(&ucma_lock);
	event = list_first_entry_or_null(&file->events, struct ucma_event, list);
	if (event && event->request)
		err = ucma_id_publish(event->request, file);
	if (event && !err) {
		if (event->request)
			event->resp.id = event->request->number;
		event->id->reported++;
		if (event->group)
			event->group->reported++;
		list_del(&event->list);
	}
	mutex_unlock(&ucma_lock);
	if (err)
		return ERR_PTR(err);
	return event ? event : ERR_PTR(-EAGAIN);
}

/* The answer to a process that gives no good place for it is lost, and with it a request's id. */
static int get_event(const struct ucma_caller *call, const void *in)
{
	const struct rdma_ucm_get_event *cmd = in;
	struct ucma_event *event;
	int err;

	while ((event = take_event(call->file)) == ERR_PTR(-EAGAIN)) {
		if (call->filp->f_flags & O_NONBLOCK)
			return -EAGAIN;
		if (wait_event_interruptible(call->file->wait, !list_empty(&call->file->events)))
			return -ERESTARTSYS;
	}
	if (IS_ERR(event))
		return PTR_ERR(event);
	err = ucma_answer(call, cmd->response, &event->resp, sizeof(event->resp));
	kfree(event);
	return err;
}

static int set_option(const struct ucma_caller *call, const void *in)
{
	const struct rdma_ucm_set_option *cmd = in;
	static const u32 sizes[UCMA_OPTIONS] = {
		[RDMA_OPTION_ID_TOS] = sizeof(u8),
		[RDMA_OPTION_ID_REUSEADDR] = sizeof(int),
		[RDMA_OPTION_ID_AFONLY] = sizeof(int),
		[RDMA_OPTION_ID_ACK_TIMEOUT] = sizeof(u8),
	};
	struct bypass_rdma_cm_option request = {.option = cpu_to_le32(cmd->optname)};
	struct ucma_id *id;
	u32 value = 0;
	u8 byte;
	int err;

	if (cmd->level != RDMA_OPTION_ID || cmd->optname >= UCMA_OPTIONS)
		return -ENOSYS;
	if (cmd->optlen != sizes[cmd->optname])
		return -EINVAL;
	if (cmd->optlen == sizeof(byte))
		err = get_user(byte, (u8 __user *)u64_to_user_ptr(cmd->optval));
	else
		err = get_user(value, (u32 __user *)u64_to_user_ptr(cmd->optval));
	if (err)
		return err;
	value = cmd->optlen == sizeof(byte) ? byte : !!value;

	id = ucma_id_get(call->file, cmd->id);
	if (IS_ERR(id))
		return PTR_ERR(id);
	request.value = cpu_to_le32(value);
	mutex_lock(&id->lock);
	if (id->slice || id->gone)
		err = ucma_id_execute(id, BYPASS_RDMA_CM_SET_OPTION, &request, sizeof(request),
				      NULL, 0);
	if (!err) {
		id->options[cmd->optname] = value;
		id->options_set |= BIT(cmd->optname);
	}
	mutex_unlock(&id->lock);
	ucma_id_put(id);
	return err;
}

static int notify(const struct ucma_caller *call, const void *in)
{
	const struct rdma_ucm_notify *cmd = in;
	struct bypass_rdma_cm_notify request = {.event = cpu_to_le32(cmd->event)};

	return on_id(call, cmd->id, BYPASS_RDMA_CM_NOTIFY, &request, sizeof(request), NULL, 0);
}

/* Brings an id, and those of its events that wait, from another file of the process to this one. */
static int migrate_id(const struct ucma_caller *call, const void *in)
{
	const struct rdma_ucm_migrate_id *cmd = in;
	struct rdma_ucm_migrate_resp resp;
	struct ucma_event *event, *next;
	struct file *from = fget(cmd->fd);
	struct ucma_file *file;
	struct ucma_id *id;
	int err = 0;

	if (!from)
		return -ENOENT;
	if (from->f_op != call->filp->f_op) {
		fput(from);
		return -EINVAL;
	}
	file = from->private_data;
	id = ucma_id_get(file, cmd->id);
	if (IS_ERR(id)) {
		err = PTR_ERR(id);
		goto put_file;
	}
	mutex_lock(&ucma_lock);
	if (list_empty(&id->list) || id->file != file) {
		err = -ENOENT; /* another thread was faster */
	} else if (file != call->file) {
		list_for_each_entry_safe(event, next, &file->events, list)
		{
			if (event->id == id)
				list_move_tail(&event->list, &call->file->events);
		}
		list_move_tail(&id->list, &call->file->ids);
		id->file = call->file;
		wake_up_interruptible(&call->file->wait);
	}
	resp.events_reported = id->reported;
	mutex_unlock(&ucma_lock);
	ucma_id_put(id);
	if (!err)
		err = ucma_answer(call, cmd->response, &resp, sizeof(resp));
put_file:
	fput(from);
	return err;
}

#define IN_MAX sizeof(struct rdma_ucm_accept)

/* Older programs know shorter structs: they leave out what came later. */
static const struct {
	int (*execute)(const struct ucma_caller *call, const void *in);
	u16 in;
	u16 in_least;
	u16 out_least;
} commands[] = {
#define COMMAND(name, function, type, least, out)                                                  \
	[RDMA_USER_CM_CMD_##name] = {function, sizeof(struct rdma_ucm_##type), least, out}
#define WHOLE(type) sizeof(struct rdma_ucm_##type)
	COMMAND(CREATE_ID, create_id, create_id, WHOLE(create_id), WHOLE(create_id_resp)),
	COMMAND(DESTROY_ID, destroy_id, destroy_id, WHOLE(destroy_id), WHOLE(destroy_id_resp)),
	COMMAND(BIND_IP, bind_ip, bind_ip, WHOLE(bind_ip), 0),
	COMMAND(RESOLVE_IP, resolve_ip, resolve_ip, WHOLE(resolve_ip), 0),
	COMMAND(RESOLVE_ROUTE, resolve_route, resolve_route, WHOLE(resolve_route), 0),
	COMMAND(QUERY_ROUTE, query_route, query, offsetof(struct rdma_ucm_query, option),
		offsetof(struct rdma_ucm_query_route_resp, ibdev_index)),
	COMMAND(CONNECT, connect, connect, offsetof(struct rdma_ucm_connect, ece), 0),
	COMMAND(LISTEN, listen, listen, WHOLE(listen), 0),
	COMMAND(ACCEPT, accept, accept, offsetof(struct rdma_ucm_accept, ece), 0),
	COMMAND(REJECT, reject, reject, WHOLE(reject), 0),
	COMMAND(DISCONNECT, disconnect, disconnect, WHOLE(disconnect), 0),
	COMMAND(INIT_QP_ATTR, init_qp_attr, init_qp_attr, WHOLE(init_qp_attr),
		sizeof(struct ib_uverbs_qp_attr)),
	COMMAND(GET_EVENT, get_event, get_event, WHOLE(get_event),
		offsetof(struct rdma_ucm_event_resp, reserved)),
	COMMAND(SET_OPTION, set_option, set_option, WHOLE(set_option), 0),
	COMMAND(NOTIFY, notify, notify, WHOLE(notify), 0),
	COMMAND(JOIN_IP_MCAST, ucma_join_ip, join_ip_mcast, WHOLE(join_ip_mcast),
		WHOLE(create_id_resp)),
	COMMAND(LEAVE_MCAST, ucma_leave, destroy_id, WHOLE(destroy_id), WHOLE(destroy_id_resp)),
	COMMAND(MIGRATE_ID, migrate_id, migrate_id, WHOLE(migrate_id), WHOLE(migrate_resp)),
	COMMAND(BIND, bind, bind, WHOLE(bind), 0),
	COMMAND(RESOLVE_ADDR, resolve_addr, resolve_addr, WHOLE(resolve_addr), 0),
	COMMAND(JOIN_MCAST, ucma_join, join_mcast, WHOLE(join_mcast), WHOLE(create_id_resp)),
#undef COMMAND
#undef WHOLE
};

/**
 * ucma_command() - execute what a process has written
 * @filp: on which file
 * @header: what comes first
 * @in: what follows, header->in bytes
 *
 * Return: 0 or a negative errno.
 */
int ucma_command(struct file *filp, const struct rdma_ucm_cmd_hdr *header, const char __user *in)
{
	const struct ucma_caller call = {
		.filp = filp,
		.file = filp->private_data,
		.out = header->out,
	};
	u32 number = header->cmd;
	void *body;
	int err;

	if (number >= ARRAY_SIZE(commands))
		return -EINVAL;
	if (!commands[number].execute)
		return -ENOSYS;
	if (header->in < commands[number].in_least)
		return -EINVAL;
	if (header->out < commands[number].out_least)
		return -ENOSPC;
	body = kzalloc(commands[number].in, GFP_KERNEL);
	if (!body)
		return -ENOMEM;
	err = -EFAULT;
	if (!copy_from_user(body, in, min(header->in, commands[number].in)))
		err = commands[number].execute(&call, body);
	kfree(body);
	return err;
}
