# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# make            libraries, tools and examples, under build/; V=1 shows the commands
# make demo       guests with VFs and an HCA of their own, in an emulated host, with figures
# make check-fast the tests that need no root and no emulated host: a minute or so
# make check      every test; TAP out
# make check-debug the scenarios of RDMA on a kernel that finds mistakes, host and guests: hours
# make check-long the scenarios that repeat their subject, with all repetitions
# make check-unit the unit tests alone, NAME= some; make check-e2e: the scenarios, SCENARIOS= some
# make bench      what each way of doing I/O costs on this machine; build/bench/ has it all
# make lint       formatting and static analysis
# make tags       an index for editors; make compile_commands.json: what they need to compile
# make fuzz       the fuzzers, a short while each (FUZZ_SECONDS=)
# make install    PREFIX=, DESTDIR=
# make dist       a tarball of the sources, which builds with no git, in build/
# make deb        Debian packages, in build/deb/
# make setup      install the packages that the above need (done by demo and check)
#
# WERROR=0 lets a compiler's warnings pass, for packagers with a compiler of another release.
# BUILD= names another build folder; each set of flags wants a folder of its own, or is rebuilt.
#
# Sources are found by folder: a new file needs no line here.

VERSION := 0.1.0
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
BUILD ?= build
O := $(BUILD)

ifeq ($(origin CC),default)
CC := gcc
endif
CFLAGS ?= -O2 -g
WERROR ?= 1
WARN := -Wall -Wextra $(if $(filter 0,$(WERROR)),,-Werror) -Wmissing-prototypes -Wstrict-prototypes
TOOL_LIBS := -lseccomp
PKGS := libpci libnl-3.0 libnl-route-3.0 json-c libibverbs

# Evaluated on first use, so that `make setup` works before the libraries are there.
PKG_CFLAGS = $(eval PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS)))$(PKG_CFLAGS)
PKG_LIBS = $(eval PKG_LIBS := $(shell pkg-config --libs $(PKGS)))$(PKG_LIBS)

# SANITIZE=address,undefined builds all of it with these sanitizers (give it a BUILD of its own)
ifneq ($(SANITIZE),)
SAN := -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer
else
# clang leaves a sanitizer's symbols in a shared library to the program
NO_UNDEFINED := -Wl,-z,defs
endif

CPPFLAGS_ALL = -D_GNU_SOURCE -DBYPASS_VERSION='"$(VERSION)"' -Ilibbypass/include \
	-Ivmm-glue/include -Iguest-driver $(PKG_CFLAGS) $(CPPFLAGS)
CFLAGS_ALL = -std=gnu17 $(WARN) $(CFLAGS) $(SAN) -fPIC -pthread
COMPILE = $(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP

LIBBYPASS_SRC := $(wildcard $(addprefix libbypass/,base/*.c host/*.c iommu/*.c vfio/*.c \
	rdma/*.c rdma/dialect/*.c rdma/cm/*.c virtio/*.c virtio/pci/*.c vhost-user/*.c vfio-user/*.c loop/*.c))
GLUE_SRC := $(wildcard vmm-glue/kvm/*.c vmm-glue/pci/*.c)
TOOL_SRC := $(wildcard libbypass/tool/*.c)
VMM_SRC := $(wildcard examples/bypass-vmm/*.c)
HCA_SRC := $(wildcard examples/bypass-hca/*.c)
BENCH := examples/bypass-bench
BENCH_SRC := $(wildcard $(BENCH)/*.c)
EXAMPLE_SRC := $(wildcard examples/*.c)
UNIT_SRC := $(wildcard tests/unit/*.c)
MODULE_SRC := $(wildcard $(addprefix guest-driver/,Kbuild Makefile dkms.conf *.c *.h))

obj = $(patsubst %.c,$(O)/obj/%.o,$(1))
LIBBYPASS_OBJ := $(call obj,$(LIBBYPASS_SRC))
GLUE_OBJ := $(call obj,$(GLUE_SRC))

SOMAJOR := $(firstword $(subst ., ,$(VERSION)))
LIBS := $(O)/lib/libbypass.a $(O)/lib/libbypass.so $(O)/lib/libvmm-glue.a $(O)/lib/libvmm-glue.so
TOOLS := $(if $(TOOL_SRC),$(O)/bin/bypass) $(if $(VMM_SRC),$(O)/bin/bypass-vmm) \
	$(O)/bin/bypass-hca $(O)/bin/bypass-bench
EXAMPLES := $(patsubst examples/%.c,$(O)/examples/%,$(EXAMPLE_SRC))
UNIT := $(patsubst tests/unit/%.c,$(O)/tests/unit/%,$(UNIT_SRC))

all: $(LIBS) $(TOOLS) $(EXAMPLES)

# One line a target; all of each command with V=1, and nothing with -s.
ifeq ($(V),)
.SILENT:
say = $(if $(findstring s,$(firstword -$(MAKEFLAGS))),:,echo '  ')
else
say = :
endif

# What all objects depend on: the compiler and the flags, written when they change. An edit of this
# file that changes neither rebuilds nothing. ccache is no other compiler.
FLAGS = $(subst ','\'',$(filter-out ccache,$(COMPILE) / $(GUEST_COMPILE)))
$(O)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(FLAGS)' | cmp -s - $@ || echo '$(FLAGS)' >$@

$(O)/obj/%.o: %.c $(O)/flags
	@mkdir -p $(@D) && $(say) $@
	$(COMPILE) -c -o $@ $<

$(O)/lib/libbypass.a: $(LIBBYPASS_OBJ)
$(O)/lib/libvmm-glue.a: $(GLUE_OBJ)
$(O)/lib/%.a:
	@mkdir -p $(@D) && $(say) $@
	@rm -f $@
	$(AR) rcs $@ $^

$(O)/lib/libbypass.so.$(VERSION): $(LIBBYPASS_OBJ) libbypass/libbypass.map
	@mkdir -p $(@D) && $(say) $@
	$(CC) $(CFLAGS_ALL) $(LDFLAGS) -shared -Wl,-soname,libbypass.so.$(SOMAJOR) \
		-Wl,--version-script=libbypass/libbypass.map $(NO_UNDEFINED) -o $@ $(LIBBYPASS_OBJ) $(PKG_LIBS)

$(O)/lib/libvmm-glue.so.$(VERSION): $(GLUE_OBJ) vmm-glue/vmm-glue.map $(O)/lib/libbypass.so
	@mkdir -p $(@D) && $(say) $@
	$(CC) $(CFLAGS_ALL) $(LDFLAGS) -shared -Wl,-soname,libvmm-glue.so.$(SOMAJOR) \
		-Wl,--version-script=vmm-glue/vmm-glue.map $(NO_UNDEFINED) -o $@ $(GLUE_OBJ) \
		-L$(O)/lib -lbypass

$(O)/lib/%.so: $(O)/lib/%.so.$(VERSION)
	ln -sf $(<F) $@.$(SOMAJOR)
	ln -sf $(<F) $@

STATIC := $(O)/lib/libvmm-glue.a $(O)/lib/libbypass.a
link = $(CC) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(PKG_LIBS)

$(O)/bin/bypass: $(call obj,$(TOOL_SRC)) $(STATIC)
	@mkdir -p $(@D) && $(say) $@
	$(link) $(TOOL_LIBS)

# The command with the points at which a test can have it killed, for scenarios. All of them are in this folder.
FAULT_OBJ := $(patsubst %.c,$(O)/fault/%.o,$(wildcard libbypass/host/*.c))
$(FAULT_OBJ): $(O)/fault/%.o: %.c $(O)/flags
	@mkdir -p $(@D) && $(say) $@
	$(COMPILE) -DBYPASS_FAULT_POINTS -c -o $@ $<

$(O)/bin/bypass-fault: $(call obj,$(TOOL_SRC)) $(FAULT_OBJ) $(STATIC)
	@mkdir -p $(@D) && $(say) $@
	$(link) $(TOOL_LIBS)

$(O)/bin/bypass-vmm: $(call obj,$(VMM_SRC)) $(STATIC)
	@mkdir -p $(@D) && $(say) $@
	$(link)

HCA_OBJ := $(call obj,$(HCA_SRC))

$(O)/bin/bypass-hca: $(HCA_OBJ) $(STATIC)
	@mkdir -p $(@D) && $(say) $@
	$(link)

# The measuring guest: its own code, and the measuring code that the host runs too, as one
# flat image that becomes part of the program.
GUEST_OBJ := $(patsubst %,$(O)/guest/%.o,$(wildcard $(BENCH)/guest/*.[cS]) $(BENCH)/measure.c)
# The image links with no library: flags that want one (--coverage, sanitizers) stay out.
GUEST_COMPILE = $(CC) -Ilibbypass/include -std=gnu17 $(WARN) -O2 -g -ffreestanding -fno-pic \
	-fno-stack-protector -fno-asynchronous-unwind-tables -fcf-protection=none -MMD -MP
OBJCOPY ?= objcopy

$(O)/guest/%.o: % $(O)/flags
	@mkdir -p $(@D) && $(say) $@
	$(GUEST_COMPILE) -c -o $@ $<

$(O)/guest/bench.elf: $(GUEST_OBJ) $(BENCH)/guest/guest.ld
	$(CC) -nostdlib -static -Wl,--build-id=none -Wl,-T,$(BENCH)/guest/guest.ld \
		-o $@ $(GUEST_OBJ)

$(O)/guest/bench.bin: $(O)/guest/bench.elf
	$(OBJCOPY) -O binary $< $@

$(O)/obj/$(BENCH)/image.o: $(BENCH)/image.S $(O)/guest/bench.bin
	@mkdir -p $(@D) && $(say) $@
	$(CC) -DBENCH_GUEST_IMAGE='"$(O)/guest/bench.bin"' -c -o $@ $<

# One of its paths is a write through the ConnectX model.
BENCH_OBJ := $(call obj,$(BENCH_SRC)) $(O)/obj/$(BENCH)/image.o $(filter-out %/main.o,$(HCA_OBJ))

$(O)/bin/bypass-bench: $(BENCH_OBJ) $(STATIC)
	@mkdir -p $(@D) && $(say) $@
	$(link)

$(EXAMPLES): $(O)/examples/%: $(O)/obj/examples/%.o $(STATIC)
	@mkdir -p $(@D) && $(say) $@
	$(link)

# A unit test may look inside: it is linked with the static libraries.
$(UNIT): $(O)/tests/unit/%: $(O)/obj/tests/unit/%.o $(STATIC)
	@mkdir -p $(@D) && $(say) $@
	$(link) -lcmocka

# Those of the bench are linked with all of it but its main().
$(O)/tests/unit/bench $(O)/tests/e2e/programs/bench_guest: $(filter-out %/main.o,$(BENCH_OBJ))

# Those of the ConnectX model are linked with all of it but its main().
$(filter $(O)/tests/unit/hca_%,$(UNIT)): $(filter-out %/main.o,$(HCA_OBJ))

# The fields that a guest can write, as the table in the documentation has them.
FIELDS := $(O)/obj/tests/threat-model.h
$(FIELDS): tests/threat-model guest-driver/bypass_rdma_abi.h guest-driver/bypass_rdma_cm_abi.h \
		docs/threat-model.md
	@mkdir -p $(@D) && $(say) $@
	cat $(filter %.h,$^) | tests/threat-model - $(lastword $^) >$@.new
	@mv $@.new $@

$(O)/obj/tests/unit/rdma_fields.o $(O)/obj/tests/e2e/programs/rdma-fields.o: $(FIELDS)
$(O)/obj/tests/unit/rdma_fields.o $(O)/obj/tests/e2e/programs/rdma-fields.o: \
	CPPFLAGS_ALL += -I$(dir $(FIELDS))

# NAME= names some of tests/unit/, else all of these are meant.
NAMED := $(if $(NAME),$(NAME:%=$(O)/tests/unit/%),$(UNIT))
# Their code runs in several threads: ThreadSanitizer judges these too. Those of vhost-user talk over
# a socket, which ThreadSanitizer does not take for an order.
THREADED := $(filter $(patsubst %,$(O)/tests/unit/%,rdma_guard rdma_guard_cq rdma_guard_queues \
	rdma_shm rdma_slice loop virtqueue hca_threads),$(NAMED))

unit: $(NAMED)
threaded: $(THREADED)

# A fuzzer is linked with the static libraries too; `make fuzz` builds all of it anew for that.
FUZZERS := $(patsubst tests/fuzz/%.c,$(O)/tests/fuzz/%,$(wildcard tests/fuzz/*.c))
FUZZ_SECONDS ?= 20

$(FUZZERS): $(O)/tests/fuzz/%: $(O)/obj/tests/fuzz/%.o $(STATIC)
	@mkdir -p $(@D) && $(say) $@
	$(link) -fsanitize=fuzzer

$(filter $(O)/tests/fuzz/hca_%,$(FUZZERS)): $(filter-out %/main.o,$(HCA_OBJ))

fuzzers: $(FUZZERS)

# What they find is kept under build/fuzz/, and so is what they have learnt.
fuzz:
	$(MAKE) CC=clang BUILD=$(BUILD)/fuzz SANITIZE=fuzzer-no-link,address,undefined fuzzers
	for name in $(notdir $(FUZZERS)); do \
		mkdir -p $(BUILD)/fuzz/corpus/$$name || exit; \
		$(BUILD)/fuzz/tests/fuzz/$$name -max_total_time=$(FUZZ_SECONDS) -timeout=60 \
			-artifact_prefix=$(BUILD)/fuzz/$$name- $(BUILD)/fuzz/corpus/$$name || exit; \
	done

# A program that a scenario needs is tests/e2e/programs/NAME.c, and is linked in the same way.
E2E := $(patsubst tests/e2e/programs/%.c,$(O)/tests/e2e/programs/%,$(wildcard tests/e2e/programs/*.c))
$(E2E): $(O)/tests/e2e/programs/%: $(O)/obj/tests/e2e/programs/%.o $(STATIC)
	@mkdir -p $(@D) && $(say) $@
	$(link) $(OWN_LIBS)

$(addprefix $(O)/tests/e2e/programs/,hca-hostile rdma-unmap): OWN_LIBS := -lmlx5

# One of MPI is tests/e2e/programs/mpi/NAME.c. It becomes NAME-openmpi and NAME-mpich where the headers are: in the
# testbed's root tree.
MPI := $(foreach kind,$(notdir $(wildcard /opt/openmpi /opt/mpich)),\
	$(patsubst tests/e2e/programs/mpi/%.c,$(O)/tests/e2e/programs/%-$(kind),$(wildcard tests/e2e/programs/mpi/*.c)))
$(O)/tests/e2e/programs/%-openmpi: tests/e2e/programs/mpi/%.c $(O)/flags
	@mkdir -p $(@D) && $(say) $@
	$(CC) -std=gnu17 $(WARN) -O2 -g -isystem /opt/openmpi/include -o $@ $< -l:libmpi.so.40
$(O)/tests/e2e/programs/%-mpich: tests/e2e/programs/mpi/%.c $(O)/flags
	@mkdir -p $(@D) && $(say) $@
	$(CC) -std=gnu17 $(WARN) -O2 -g -isystem /opt/mpich/include -o $@ $< -l:libmpich.so.12

e2e: $(E2E) $(MPI)

# --- installation

INCLUDEDIR ?= $(PREFIX)/include
MANDIR ?= $(PREFIX)/share/man
COMPLETIONDIR ?= $(PREFIX)/share/bash-completion/completions
UNITDIR ?= $(PREFIX)/lib/systemd/system
# What a VMM and what a guest driver of another system include.
HEADERS := $(wildcard libbypass/include/bypass/*.h vmm-glue/include/bypass/*.h) \
	guest-driver/bypass_rdma_abi.h guest-driver/bypass_rdma_cm_abi.h
# Pages that are written, and those made of what the public headers say.
LIBRARY_MAN := $(O)/man/libbypass.3 $(O)/man/vmm-glue.3
MAN = $(wildcard libbypass/man/*.[1-8] libbypass/tool/man/*.[1-8] guest-driver/man/*.[1-8] \
	examples/*/*.1) $(LIBRARY_MAN)

$(O)/man/libbypass.3: libbypass/man/libbypass.3.in $(wildcard libbypass/include/bypass/*.h)
$(O)/man/vmm-glue.3: vmm-glue/man/vmm-glue.3.in $(wildcard vmm-glue/include/bypass/*.h)
$(LIBRARY_MAN): libbypass/man/from-headers.awk
	@mkdir -p $(@D) && $(say) $@
	awk -f libbypass/man/from-headers.awk $(filter %.h,$^) >$@.body
	sed -e 's/@VERSION@/$(VERSION)/' -e '/^@BODY@$$/{r $@.body' -e 'd}' $(filter %.in,$^) >$@
	@rm $@.body

man: $(LIBRARY_MAN)
INSTALL ?= install

# $(call pc,NAME,DESCRIPTION,REQUIRES,LIBS.PRIVATE). No Requires.private: --cflags would follow it,
# and --static would go on to every RDMA provider.
define pc
prefix=$(PREFIX)
libdir=$(LIBDIR)
includedir=$(INCLUDEDIR)

Name: $(1)
Description: $(2)
Version: $(VERSION)
Requires: $(3)
Libs: -L$${libdir} -l$(1:lib%=%)
Libs.private: $(4)
Cflags: -I$${includedir}
endef

# Written anew each time: PREFIX may have changed.
$(O)/lib/libbypass.pc: $(O)/lib/libbypass.so FORCE
	$(file >$@,$(call pc,libbypass,Direct access to devices for virtual machines,,$(PKG_LIBS) -pthread))
$(O)/lib/vmm-glue.pc: $(O)/lib/libvmm-glue.so FORCE
	$(file >$@,$(call pc,vmm-glue,What a KVM VMM calls to use libbypass,libbypass,))

SLURM := $(wildcard examples/slurm/*)

install: all man $(O)/lib/libbypass.pc $(O)/lib/vmm-glue.pc
	$(INSTALL) -d $(addprefix $(DESTDIR),$(LIBDIR)/pkgconfig $(INCLUDEDIR)/bypass $(PREFIX)/bin)
	$(INSTALL) -m 644 $(filter %.a,$(LIBS)) $(DESTDIR)$(LIBDIR)
	$(INSTALL) -m 755 $(addsuffix .$(VERSION),$(filter %.so,$(LIBS))) $(DESTDIR)$(LIBDIR)
	cp -P $(foreach so,$(filter %.so,$(LIBS)),$(so) $(so).$(SOMAJOR)) $(DESTDIR)$(LIBDIR)
	$(INSTALL) -m 644 $(HEADERS) $(DESTDIR)$(INCLUDEDIR)/bypass
	$(INSTALL) -m 644 $(O)/lib/libbypass.pc $(O)/lib/vmm-glue.pc $(DESTDIR)$(LIBDIR)/pkgconfig
ifneq ($(strip $(TOOLS)),)
	$(INSTALL) -m 755 $(TOOLS) $(DESTDIR)$(PREFIX)/bin
endif
	for page in $(MAN); do \
		$(INSTALL) -D -m 644 -t $(DESTDIR)$(MANDIR)/man$${page##*.} $$page || exit; \
	done
	$(INSTALL) -d $(DESTDIR)$(UNITDIR)
	for unit in libbypass/tool/systemd/*; do \
		sed 's|@BINDIR@|$(PREFIX)/bin|' $$unit >$(DESTDIR)$(UNITDIR)/$${unit##*/} || exit; \
	done
	$(INSTALL) -d $(DESTDIR)$(PREFIX)/src/bypass-rdma-$(VERSION)
	$(INSTALL) -m 644 $(MODULE_SRC) $(DESTDIR)$(PREFIX)/src/bypass-rdma-$(VERSION)
	sed -i 's/@VERSION@/$(VERSION)/' $(DESTDIR)$(PREFIX)/src/bypass-rdma-$(VERSION)/dkms.conf
	$(INSTALL) -D -m 644 -t $(DESTDIR)$(PREFIX)/share/bypass/schema libbypass/tool/schema/*.json
	$(INSTALL) -D -m 644 -t $(DESTDIR)$(PREFIX)/share/bypass/slurm $(filter %.conf,$(SLURM))
	$(INSTALL) -m 755 -t $(DESTDIR)$(PREFIX)/share/bypass/slurm $(filter-out %.conf %.md,$(SLURM))
ifneq ($(wildcard libbypass/tool/completion/bypass),)
	$(INSTALL) -D -m 644 -t $(DESTDIR)$(COMPLETIONDIR) libbypass/tool/completion/bypass
endif

# --- tarball and packages

# The top of the tree, without what builds leave there.
DIST_OF := libbypass vmm-glue guest-driver examples tests docs $(wildcard *.md LICENSE*) Makefile \
	$(wildcard .clang-format .editorconfig)
DIST := bypass-$(VERSION)

dist:
	@mkdir -p $(O) && $(say) $(O)/$(DIST).tar.gz
	tar -czf $(O)/$(DIST).tar.gz --owner=0 --group=0 --sort=name --transform='s|^|$(DIST)/|' $(DIST_OF)

# In a copy of the sources: debhelper wants debian/ at the top of the tree and writes there.
deb: dist
	@tests/setup deb
	rm -rf $(O)/deb && mkdir -p $(O)/deb
	tar -xzf $(O)/$(DIST).tar.gz -C $(O)/deb
	cp -r libbypass/debian $(O)/deb/$(DIST)/debian
	sed -e 's/@VERSION@/$(VERSION)/' -e "s/@DATE@/$$(date -R)/" libbypass/debian/changelog.in \
		>$(O)/deb/$(DIST)/debian/changelog
	(cd $(O)/deb/$(DIST) && env -u MAKEFLAGS dpkg-buildpackage -b -us -uc) >$(O)/deb/build.log 2>&1 || \
		{ tail -40 $(O)/deb/build.log; exit 1; }
	cd $(O)/deb && lintian --fail-on error *.changes >lintian.log || { cat lintian.log; exit 1; }
	ls $(O)/deb/*.deb

# --- tests

setup:
	@tests/setup

# The emulated host builds the project for itself.
# A minute or two on CPUs that are otherwise idle; the figures with all samples, and pictures.
bench:
	tests/setup bench
	$(MAKE) -s $(PARALLEL) $(O)/bin/bypass-bench
	mkdir -p $(O)/bench
	$(O)/bin/bypass-bench --json=$(O)/bench/bench.json --plot $(O)/bench >$(O)/bench/tables.txt || \
		{ cat $(O)/bench/tables.txt; exit 1; }
	cat $(O)/bench/tables.txt

demo:
	@tests/setup build
	@tests/testbed/run --cpus 2 --timeout 1200 examples/demo/demo.sh

PARALLEL = $(if $(findstring j,$(firstword -$(MAKEFLAGS))),,-j$(shell nproc))
# Without the optimizer, which takes most of the time to compile what is then run once. Nor does it drop a
# faulty access before the sanitizer sees that.
ASAN := CC=clang CFLAGS='-O0 -g' SANITIZE=address,undefined BUILD=$(O)/asan
TSAN := CC=clang CFLAGS='-O0 -g' SANITIZE=thread BUILD=$(O)/tsan

check-build: setup
	@$(MAKE) -s $(PARALLEL) all unit e2e

sanitized: setup
	@$(MAKE) -s $(PARALLEL) $(ASAN) unit
	@$(MAKE) -s $(PARALLEL) $(TSAN) threaded

# What is sanitized is built while scenarios run.
check: check-build
	@tests/setup deb
	@BUILD=$(O) tests/check

check-fast: check-build sanitized
	@BUILD=$(O) tests/check --fast

check-unit: check-build sanitized
	@BUILD=$(O) tests/check --unit $(NAME)

# SCENARIOS= names some of tests/e2e/scenarios/, else all run
check-e2e: setup
	@tests/e2e/run $(SCENARIOS)

check-long: setup
	@tests/e2e/run --long $(SCENARIOS)

# Hostile guests, faults and verbs, on a kernel with KASAN, UBSAN, lockdep and kmemleak. All under bypass-vmm: a
# guest of QEMU asks that kernel for the same, and is not up there within ten minutes.
DEBUGGED := rdma-hostile rdma-attributes rdma-faults rdma-memory rdma-verbs rdma-faults-mlx5

check-debug: setup
	@tests/e2e/run --debug $(or $(SCENARIOS),$(DEBUGGED))

lint:
	@tests/lint || [ $$? = 77 ]

# --- for editors

TAGS_OF := libbypass vmm-glue guest-driver examples tests

tags: FORCE
	@command -v ctags >/dev/null || { echo "make tags needs ctags (Debian: universal-ctags)" >&2; exit 1; }
	ctags -R --languages=C $(TAGS_OF)

# An object a source, as https://clang.llvm.org/docs/JSONCompilationDatabase.html has it.
json = $(subst ",\",$(subst \,\\,$(1)))
compile_commands.json: FORCE
	@printf '[\n' >$@
	@printf '%s\n' $(foreach src,$(LIBBYPASS_SRC) $(GLUE_SRC) $(TOOL_SRC) $(VMM_SRC) $(HCA_SRC) $(BENCH_SRC) \
		$(EXAMPLE_SRC) $(UNIT_SRC) $(wildcard tests/e2e/programs/*.c tests/fuzz/*.c),\
		'{ "directory": "$(CURDIR)", "file": "$(src)", "command": "$(subst ','\'',$(call \
		json,$(COMPILE) -c -o $(call obj,$(src)) $(src)))" },') | sed '$$s/,$$//' >>$@
	@printf ']\n' >>$@

clean:
	rm -rf $(O)

.PHONY: all man unit threaded fuzz fuzzers e2e install dist deb setup demo bench lint clean FORCE \
	check check-build sanitized check-fast check-unit check-e2e check-long check-debug
.SECONDARY:
-include $(shell find $(O)/obj $(O)/guest $(O)/fault -name '*.d' 2>/dev/null)
