// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The ConnectX model's control socket: what a client writes, in any pieces, and what comes back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

#include "hca_device.h"

static struct subnet subnet;
static struct guest guest;
static struct control control;
static char path[64];
static int client = -1;

static void connect_client(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	strcpy(address.sun_path, path);
	client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof(address)), 0);
	control_dispatch(&control, &subnet);
}

static int setup(void **state)
{
	(void)state;
	memset(&subnet, 0, sizeof(subnet));
	guest_open(&guest, &subnet);
	snprintf(path, sizeof(path), "/tmp/hca-control.%d", getpid());
	assert_int_equal(control_open(&control, path, NULL), 0);
	connect_client();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	close(client);
	control_close(&control);
	assert_int_equal(access(path, F_OK), -1);
	guest_close(&guest);
	return 0;
}

static void say(const char *text)
{
	assert_int_equal(write(client, text, strlen(text)), strlen(text));
	control_dispatch(&control, &subnet);
}

static void expect(const char *text)
{
	char answer[256] = "";

	assert_true(recv(client, answer, sizeof(answer) - 1, MSG_DONTWAIT) > 0);
	assert_string_equal(answer, text);
}

static void port_is_set(void **state)
{
	(void)state;
	say("port 0 down\n");
	expect("ok\n");
	assert_true(guest.hca->port_down);
	say("port 0 up\n");
	expect("ok\n");
	assert_false(guest.hca->port_down);
	assert_false(guest.hca->failed);
	say("function 0 fail\n");
	expect("ok\n");
	assert_true(guest.hca->failed);
}

static void lines_come_in_pieces(void **state)
{
	(void)state;
	say("port 0 ");
	say("down\nport 0 up\npo");
	expect("ok\nok\n");
	assert_false(guest.hca->port_down);
	say("rt 0 down\n");
	expect("ok\n");
	assert_true(guest.hca->port_down);
}

static void lines_are_checked(void **state)
{
	static const char *const wrong[] = {"\n",
					    "port\n",
					    "port 0\n",
					    "port 1 down\n",
					    "port 0x0 down\n",
					    "port 99 down\n",
					    "port 0 sideways\n",
					    "port 0 down 1\n",
					    "link 0 down\n",
					    "function 0 down\n"};
	char answer[256];

	(void)state;
	for (unsigned int i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		say(wrong[i]);
		assert_true(recv(client, answer, sizeof(answer), MSG_DONTWAIT) > 0);
		assert_memory_equal(answer, "error: ", 7);
	}
	assert_false(guest.hca->port_down);
}

static void long_line_ends_the_connection(void **state)
{
	char text[100];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	say(text);
	assert_int_equal(control.client, -1);
	close(client);
	connect_client();
	say("port 0 down\n");
	expect("ok\n");
}

static void next_client_is_served(void **state)
{
	(void)state;
	close(client);
	control_dispatch(&control, &subnet);
	assert_int_equal(control.client, -1);
	connect_client();
	say("port 0 down\n");
	expect("ok\n");
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(port_is_set),	     TEST(lines_come_in_pieces),
		TEST(lines_are_checked),     TEST(long_line_ends_the_connection),
		TEST(next_client_is_served),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
