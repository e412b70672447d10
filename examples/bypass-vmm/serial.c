// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The console: a 16550A UART with FIFO and interrupts, whose line is standard output and input.
 */
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/serial_reg.h>

#include "internal.h"

/* The interrupt that the guest would find in IIR, by falling priority. */
static uint8_t pending(const struct serial *serial)
{
	if (serial->ier & UART_IER_RDI && serial->rx_count)
		return UART_IIR_RDI;
	if (serial->ier & UART_IER_THRI && serial->thr_empty_pending)
		return UART_IIR_THRI;
	return UART_IIR_NO_INT;
}

static void update_line(struct serial *serial)
{
	bool level = pending(serial) != UART_IIR_NO_INT;
	struct kvm_irq_level irq = {.irq = SERIAL_GSI, .level = level};

	if (level == serial->level)
		return;
	serial->level = level;
	ioctl(serial->vmm->vm_fd, KVM_IRQ_LINE, &irq);
}

/*
 * Waits for a slow reader, so that no byte is lost, but not when the machine is to stop.
 * When the reader has gone away the byte is dropped.
 */
static void transmit(const struct vmm *vmm, uint8_t byte)
{
	struct pollfd pfd = {.fd = STDOUT_FILENO, .events = POLLOUT};

	while (poll(&pfd, 1, 100) <= 0)
		if (vmm->stopping)
			return;
	if (write(STDOUT_FILENO, &byte, 1) < 0)
		return;
}

static void enqueue(struct serial *serial, uint8_t byte)
{
	if (serial->rx_count < sizeof(serial->rx))
		serial->rx[(serial->rx_head + serial->rx_count++) % sizeof(serial->rx)] = byte;
}

static uint8_t receive(struct serial *serial)
{
	uint8_t byte;

	if (!serial->rx_count)
		return 0;
	byte = serial->rx[serial->rx_head];
	serial->rx_head = (serial->rx_head + 1) % sizeof(serial->rx);
	/* The main thread holds back what does not fit. */
	if (serial->rx_count-- == sizeof(serial->rx))
		event_wake(serial->vmm);
	return byte;
}

/* Returns true when the byte is to go out on the line. */
static bool write_register(struct serial *serial, unsigned int reg, uint8_t value)
{
	bool dlab = serial->lcr & UART_LCR_DLAB;

	switch (reg) {
	case UART_TX:
		if (dlab) {
			serial->divisor = (serial->divisor & 0xff00) | value;
			break;
		}
		serial->thr_empty_pending = true;
		if (!(serial->mcr & UART_MCR_LOOP))
			return true;
		enqueue(serial, value);
		break;
	case UART_IER:
		if (dlab) {
			serial->divisor = (serial->divisor & 0xff) | value << 8;
			break;
		}
		/* Enabling this interrupt raises it: the holding register is always empty. */
		if (value & ~serial->ier & UART_IER_THRI)
			serial->thr_empty_pending = true;
		if (value & ~serial->ier & UART_IER_RDI)
			event_wake(serial->vmm);
		serial->ier = value & 0xf;
		break;
	case UART_FCR:
		serial->fcr = value;
		if (value & UART_FCR_CLEAR_RCVR)
			serial->rx_count = 0;
		break;
	case UART_LCR:
		serial->lcr = value;
		break;
	case UART_MCR:
		serial->mcr = value & 0x1f;
		break;
	case UART_SCR:
		serial->scr = value;
		break;
	}
	return false;
}

static uint8_t read_iir(struct serial *serial)
{
	uint8_t iir = pending(serial);

	if (iir == UART_IIR_THRI)
		serial->thr_empty_pending = false;
	return iir | (serial->fcr & UART_FCR_ENABLE_FIFO ? 0xc0 : 0);
}

/* In loop-back the modem's inputs are the outputs, which is how Linux finds a UART. */
static uint8_t read_msr(const struct serial *serial)
{
	uint8_t mcr = serial->mcr;

	if (!(mcr & UART_MCR_LOOP))
		return UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS;
	return (mcr & UART_MCR_DTR ? UART_MSR_DSR : 0) | (mcr & UART_MCR_RTS ? UART_MSR_CTS : 0) |
	       (mcr & UART_MCR_OUT1 ? UART_MSR_RI : 0) | (mcr & UART_MCR_OUT2 ? UART_MSR_DCD : 0);
}

static uint8_t read_register(struct serial *serial, unsigned int reg)
{
	bool dlab = serial->lcr & UART_LCR_DLAB;

	switch (reg) {
	case UART_RX:
		return dlab ? serial->divisor : receive(serial);
	case UART_IER:
		return dlab ? serial->divisor >> 8 : serial->ier;
	case UART_IIR:
		return read_iir(serial);
	case UART_LCR:
		return serial->lcr;
	case UART_MCR:
		return serial->mcr;
	case UART_LSR:
		return UART_LSR_TEMT | UART_LSR_THRE | (serial->rx_count ? UART_LSR_DR : 0);
	case UART_MSR:
		return read_msr(serial);
	default:
		return serial->scr;
	}
}

void serial_init(struct serial *serial, struct vmm *vmm)
{
	serial->vmm = vmm;
	pthread_mutex_init(&serial->lock, NULL);
	serial_reset(serial);
}

void serial_reset(struct serial *serial)
{
	pthread_mutex_lock(&serial->lock);
	serial->ier = serial->lcr = serial->mcr = serial->scr = serial->fcr = 0;
	serial->divisor = 12; /* 9600 */
	serial->thr_empty_pending = false;
	serial->rx_count = 0;
	update_line(serial);
	pthread_mutex_unlock(&serial->lock);
}

/**
 * serial_pio() - an access by the guest
 * @serial: the UART
 * @reg: 0 to 7
 * @data: read or written, one byte
 * @write: direction
 *
 * Returns when a written byte has been taken by standard output.
 */
void serial_pio(struct serial *serial, unsigned int reg, uint8_t *data, bool write)
{
	bool send = false;

	pthread_mutex_lock(&serial->lock);
	if (write)
		send = write_register(serial, reg, *data);
	else
		*data = read_register(serial, reg);
	if (!send)
		update_line(serial);
	pthread_mutex_unlock(&serial->lock);
	if (!send)
		return;

	/* Outside the lock: the reader may take its time. */
	transmit(serial->vmm, *data);
	pthread_mutex_lock(&serial->lock);
	update_line(serial);
	pthread_mutex_unlock(&serial->lock);
}

/**
 * serial_room() - how many bytes serial_input() takes now
 * @serial: the UART
 *
 * None until the guest's driver turns the receiver on: it clears the FIFO when it starts.
 */
unsigned int serial_room(struct serial *serial)
{
	unsigned int room;

	pthread_mutex_lock(&serial->lock);
	room = serial->ier & UART_IER_RDI ? sizeof(serial->rx) - serial->rx_count : 0;
	pthread_mutex_unlock(&serial->lock);
	return room;
}

/**
 * serial_input() - bytes from the line
 * @serial: the UART
 * @data: the bytes
 * @count: how many; what is beyond serial_room() is lost
 */
void serial_input(struct serial *serial, const uint8_t *data, unsigned int count)
{
	pthread_mutex_lock(&serial->lock);
	while (count--)
		enqueue(serial, *data++);
	update_line(serial);
	pthread_mutex_unlock(&serial->lock);
}
