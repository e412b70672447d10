/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Inside host/: access to sysfs, the steps that change the host, and the ledger that
 * remembers them.
 */
#ifndef BYPASS_HOST_INTERNAL_H
#define BYPASS_HOST_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <net/if.h>
#include <sys/types.h>
#include <time.h>

#include <bypass/carve.h>
#include <bypass/pci.h>

/* Where the host is found. Unit tests point these at trees of their own. */
struct host_paths {
	const char *sys;
	const char *proc;
	const char *dev;
	const char *ledger;
	const char *pci_ids; /* NULL: where libpci looks for it */
	const char *machine_id;
	const char *modules;
};
extern struct host_paths host_paths;

/* sysfs.c: attributes of PCI functions, by the function's address */

#define HOST_VALUE_SIZE 160

/* One line of an attribute, without its newline. -ENODEV: no such function; -ENOENT: it has no
 * such attribute. */
int host_read(const char *function, const char *attribute, char *value, size_t size);
int host_read_uint(const char *function, const char *attribute, unsigned int *value);
int host_write(const char *function, const char *attribute, const char *value);
bool host_has(const char *function, const char *attribute);
/* Last part of what a link points to; empty, and 0, when the link is not there. */
int host_link(const char *function, const char *link, char *value, size_t size);
/* First entry of a directory of the function, such as net/ or nvme/; empty when there is none. */
int host_child(const char *function, const char *directory, char *value, size_t size);
/*
 * Does class/@class/@name lie below the function? The real path goes into @real, of PATH_MAX bytes,
 * unless NULL.
 */
bool host_lies_on(const char *function, const char *class, const char *name, char *real);
/* Reads a small file anywhere, NUL-terminated. Returns its length or a negative errno. */
int host_file(const char *path, char *text, size_t size);
/* Writes one line into an existing file. */
int host_file_write(const char *path, const char *value);

bool driver_is_vfio(const char *driver);

/* As bypass_address(), but leaves no explanation: -EINVAL. */
int pci_address(const char *text, char address[BYPASS_ADDRESS_SIZE]);

/*
 * holder.c: finds a process that has a descriptor to which @match says yes; @link is the
 * descriptor's path in /proc. Returns 1 when there is one, 0, or a negative errno.
 */
int holder_find(bool (*match)(const char *link, const void *opaque), const void *opaque,
		struct bypass_holder *holder);

/* burden_disk.c, burden_net.c: -EBUSY when the host uses a disk or an interface of the function */
int burden_disks(const char *address);
int burden_net(const char *address);

/* netns.c: a network namespace. @name says which to the user; empty for the caller's own. */
struct netns {
	dev_t device;
	ino_t inode;
	int fd;
	char name[64];
};

/* Those that can be seen, the caller's own first. Returns how many there are. */
int netns_list(struct netns **list);
void netns_free(struct netns *list, size_t count);
struct nl_sock;
/* A netlink socket in the namespace @where; NULL when it cannot be entered. */
struct nl_sock *netns_socket(const struct netns *own, const struct netns *where);

/*
 * group.c: the number of the function's IOMMU group; -1, with nothing explained, when in none or in
 * one that no IOMMU confines.
 */
int group_of(const char *address);
/* The name of the group's node below /dev/vfio; empty when the function is in none. */
void group_node(const char *address, char *name, size_t size);
/* Is there a member of the function's group that keeps it from guests? */
bool group_in_the_way(const char *address, char member[BYPASS_ADDRESS_SIZE], char driver[32]);

/* step.c: the changes that carving makes, each with its undo */

enum step_kind {
	STEP_ATTRIBUTE, /* a sysfs attribute of @function */
	STEP_VFS,	/* the number of VFs of @function */
	STEP_DRIVER,	/* the driver that @function is bound to; empty for none */
	STEP_LINK, /* setting @attribute ("mac", …) of VF @index of network adapter @function */
	STEP_INTERFACE, /* setting @attribute of port @index of @function: undone only, never done */
	STEP_NVME,	/* setting @attribute ("queues", …) of secondary controller @index */
	/* Of an RDMA slice; @function is the name of a network device, and of an HCA. See netdev.h. */
	STEP_NETDEV,  /* the network device */
	STEP_ADDRESS, /* an address of the network device */
	STEP_UP,      /* is the network device up? */
	STEP_SYSCTL,  /* IPv4 setting @attribute of the network device, which slices share */
	STEP_RDMA,    /* the HCA on the network device */
};

/* Is a step of this kind one of an RDMA slice? */
static inline bool step_kind_is_rdma(enum step_kind kind)
{
	return kind >= STEP_NETDEV;
}

struct step {
	enum step_kind kind;
	/*
	 * Number of the kernel's device in which the value lives; 0: not known, or the value lives
	 * in the hardware. A device that is removed and comes back has another number. What was set
	 * in the first is gone then.
	 */
	uint64_t instance;
	char function[BYPASS_ADDRESS_SIZE];
	char slice[BYPASS_ADDRESS_SIZE]; /* that it is done for; empty: for all of them */
	unsigned int index;
	char attribute[32];
	char from[HOST_VALUE_SIZE];
	char to[HOST_VALUE_SIZE];
};

struct ledger;
const char *step_kind_name(enum step_kind kind);
int step_kind_parse(const char *name);
/* Fills in @from and @instance with what is there now. */
int step_read(struct step *step);
/* Fills in @instance when the step itself makes the device. */
int step_do(struct step *step);

/* What step_undo() did. */
enum step_undone {
	STEP_UNDONE,	  /* the value is @from */
	STEP_DEVICE_GONE, /* the device went away, and the value with the device */
	STEP_OF_ANOTHER,  /* the value is neither @from nor @to: nothing was written */
};

/*
 * Sets the value back to @from if the value is still @to. May be repeated, and may be called when
 * step_do() was not, or not wholly. Returns an enum step_undone, or a negative errno; @now receives
 * the value that was found.
 */
int step_undo(const struct step *step, char now[HOST_VALUE_SIZE]);
/* Does the ledger of another carving of this boot have the same change? Its value before goes into @from. */
bool step_is_shared(const struct step *step, const struct ledger *ledger,
		    char from[HOST_VALUE_SIZE]);
/* Would step_undo() write? */
bool step_is_ours(const struct step *step);
/* Explains the error that writing sriov_numvfs has given. Returns @err. */
int step_fail_vfs(const char *pf, unsigned int count, int err);
/* "bind 0000:01:10.0 to vfio-pci", for errors and remarks. */
void step_describe(const struct step *step, char *text, size_t size);

/* vf_link.c: settings of the VFs of a network adapter: "mac", "vlan", "trust", "node", "port" (GUIDs) and
 * "policy" */
enum vf_link_kind {
	VF_LINK_NONE, /* the PF is no network adapter */
	VF_LINK_ETHERNET,
	VF_LINK_INFINIBAND,
};
enum vf_link_kind vf_link_kind(const char *pf);
/* The interface of the adapter's own port. -ENOENT: it has none. */
int vf_link_interface(const char *pf, char *interface, size_t size);
/* "00:11:22:33:44:55:66:77" */
bool vf_guid_parse(const char *text, uint64_t *guid);
void vf_guid_format(uint64_t guid, char *text, size_t size);
int vf_link_read(const char *pf, unsigned int vf, const char *setting, char *value, size_t size);
int vf_link_write(const char *pf, unsigned int vf, const char *setting, const char *value);

/* interface.c: settings of a function's own network interfaces, which go away with its driver */
/* Adds a step for each setting to the ledger. */
int interfaces_note(struct ledger *ledger, const char *function);
/* Puts one setting back. If that fails, a remark says which command does it. */
void interface_put_back(const struct step *step);

/* identity.c: addresses that a VF keeps. False: the host has no machine ID to derive them from. */
bool identity_mac(const char *pf, unsigned int vf, uint8_t mac[6]);
bool identity_guid(const char *pf, unsigned int vf, uint64_t *guid);

/* variant.c: the VFIO driver that serves the function best, of those that are loaded */
void vfio_driver(const char *function, char *driver, size_t size);
/* Says so when a better one is not loaded. */
void vfio_driver_remark(const char *function);

/* nvme_vf.c: resources of the secondary controllers of an NVMe controller */

/* What each of @vfs VFs can be given, of what the controller has left. */
int nvme_vf_share(const char *pf, unsigned int vfs, unsigned int *queues, unsigned int *vectors);
/* ID of the secondary controller that is the VF with this index. */
int nvme_vf_controller(const char *pf, unsigned int vf, unsigned int *controller);
int nvme_vf_read(const char *pf, unsigned int controller, const char *setting, char *value,
		 size_t size);
int nvme_vf_write(const char *pf, unsigned int controller, const char *setting, const char *value);

/* ledger.c, ledger_read.c, ledger_lock.c: the steps on disk */

#define LEDGER_VERSION 2 /* counts up when a file of today would be misread */

enum ledger_state {
	LEDGER_CARVING,
	LEDGER_CARVED,
	LEDGER_RELEASING,
};

struct ledger {
	int directory; /* descriptor of host_paths.ledger */
	int lock;
	char function[BYPASS_ADDRESS_SIZE]; /* or the name of an RDMA slice */
	unsigned int vendor_id;
	unsigned int device_id;
	char boot[40];			 /* ID of the boot in which it was carved */
	char id[BYPASS_CARVING_ID_SIZE]; /* tells this carving from earlier and later ones */
	bool rebound;			 /* releasing has begun to bind the host's driver */
	unsigned int vfs;		 /* that the carving makes; 0: the whole function */
	char netdev[IF_NAMESIZE];	 /* that an RDMA slice is on; empty for functions */
	char name[BYPASS_SLICE_NAME_SIZE];
	enum ledger_state state;
	time_t since;
	pid_t pid;
	size_t step_count;
	struct step *step;
	size_t slice_count;
	struct bypass_carved *slice;
};

/* The lock over all ledgers: a carving has it until its ledger says which names and VFs it takes. */
struct ledger_all {
	int directory;
	int lock;
};
int ledger_lock_all(struct ledger_all *all);
void ledger_unlock_all(struct ledger_all *all);

/*
 * What ledgers are called by, in the kernel's spelling: the address of a function, or the name of
 * an RDMA slice: a letter, then letters, digits, '-', '_' and '.', as a network device may be
 * called. -EINVAL, with nothing explained.
 */
int ledger_key(const char *text, char key[BYPASS_ADDRESS_SIZE]);
/* "0000:01:00.0.json" */
void ledger_file_name(char *name, size_t size, const char *function, const char *suffix);
/* Explains why the directory cannot be used. Returns -@err. */
int ledger_fail_directory(int err);
/* Opens the directory of ledgers, makes it when @create. Returns a descriptor. */
int ledger_directory(bool create);
/* Takes the lock of @function; -EBUSY names who has it. The ledger is empty then. */
int ledger_lock(struct ledger *ledger, const char *function, bool create);
/* As far as reading goes, without the lock. */
int ledger_peek(struct ledger *ledger, const char *function);
/* Reads the file. -ENOENT: there is none; -EBADMSG: it makes no sense. */
int ledger_load(struct ledger *ledger);
/* Writes the file whole. */
int ledger_save(struct ledger *ledger);
/* Removes the file. */
int ledger_remove(struct ledger *ledger);
int ledger_add_step(struct ledger *ledger, const struct step *step);
int ledger_add_slice(struct ledger *ledger, const char *address, const char *name);
void ledger_close(struct ledger *ledger);
/* The process that has the lock of @function, or 0. */
pid_t ledger_locked_by(int directory, const char *function);
/* Is the ledger of this boot? All but what the hardware keeps is gone with an earlier one. */
bool ledger_is_of_this_boot(const struct ledger *ledger);
/* ID of this boot; empty when the kernel does not say. */
void ledger_boot(char boot[40]);
/* Addresses that have a ledger, ordered; free() it. Returns how many. */
int ledger_list(int directory, char (**functions)[BYPASS_ADDRESS_SIZE]);

/* carving.c: how a carving begins and ends, whatever it carves */

/*
 * With the lock over all ledgers and the ledger's own: writes a ledger in which no step is done, so
 * that other carvings see what this one will take. The caller has filled in what is of its kind.
 */
int carving_begin(struct ledger *ledger, const char *name);
/* After all steps, or @err: the ledger says that they are done, or they are undone. */
int carving_end(struct ledger *ledger, int err);

/* carve_check.c: everything that could be refused; with the lock over all ledgers */
int carve_check(const struct bypass_carve *what, struct bypass_function *function);

/* carve_step.c: one step, first in the ledger and then done */
int carve_step(struct ledger *ledger, struct step step);
int carve_attribute(struct ledger *ledger, const char *function, const char *slice,
		    const char *attribute, const char *to);
/* A setting of one VF, by way of its PF. */
int carve_vf_setting(struct ledger *ledger, enum step_kind kind, const char *vf, unsigned int index,
		     const char *setting, const char *to);
/* Gives the function the VFIO driver that serves it best. */
int carve_bind(struct ledger *ledger, const char *function);

/* carve_vf.c */
/* What each VF of an NVMe controller gets; queues is 0 on other functions. */
struct nvme_share {
	unsigned int queues;
	unsigned int vectors;
};
int carve_vf(struct ledger *ledger, const struct bypass_carve *what, unsigned int index,
	     const struct nvme_share *share);

/* carve_remark.c */
void carve_remark(const struct ledger *ledger, const struct bypass_carve *what);

/* undo.c: undoes the steps of @slice and, when no slice is left, all others; all at once when
 * @slice is NULL. */
int ledger_undo(struct ledger *ledger, const char *slice);
/* Undoes one step, and strikes it out. *@unsaved is set when the undo could not be struck out. */
int ledger_undo_step(struct ledger *ledger, size_t index, int *unsaved);
/* Is nothing to be left when @slice is released? */
bool ledger_is_all(const struct ledger *ledger, const char *slice);

/* carvings.c: is the function the one that the ledger was written for? */
int carving_check(const struct ledger *ledger);
/* What the ledger says, for the caller; NULL when there is no memory. */
struct bypass_carving *carving_of(const struct ledger *ledger);

/* A place where tests end the process, as SIGKILL would. Nothing in other builds. */
#ifdef BYPASS_FAULT_POINTS
void fault_point(const char *where);
#else
static inline void fault_point(const char *where)
{
	(void)where;
}
#endif

#endif
