// SPDX-License-Identifier: GPL-2.0
/* Opening an object, and setting its constants before it is loaded. */
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include "l4lb.h"

L4LB_EXPORT int l4lb_object_open(const char *path, struct bpf_object **object)
{
	*object = bpf_object__open_file(path, NULL);
	return *object ? 0 : -errno;
}

/* Loads one program of the object and leaves out the others. */
L4LB_EXPORT int l4lb_object_select(struct bpf_object *object, const char *program_name)
{
	struct bpf_program *program;
	int found = 0;

	bpf_object__for_each_program(program, object) {
		int wanted = !strcmp(bpf_program__name(program), program_name);

		bpf_program__set_autoload(program, wanted);
		found |= wanted;
	}
	return found ? 0 : -ENOENT;
}

/*
 * Describes the map behind previous (NULL: the first): its name, and type, key
 * size, value size, max_entries, flags, whether it is internal (.rodata and
 * the like), descriptor. Returns 0 at the end, else 1.
 */
L4LB_EXPORT int l4lb_object_next_map(struct bpf_object *object, struct bpf_map *previous,
				     struct bpf_map **map, char *name, int name_size, __u32 *info)
{
	*map = bpf_object__next_map(object, previous);
	if (!*map)
		return 0;
	strncpy(name, bpf_map__name(*map), name_size - 1);
	name[name_size - 1] = '\0';
	info[0] = bpf_map__type(*map);
	info[1] = bpf_map__key_size(*map);
	info[2] = bpf_map__value_size(*map);
	info[3] = bpf_map__max_entries(*map);
	info[4] = bpf_map__map_flags(*map);
	info[5] = bpf_map__is_internal(*map);
	info[6] = bpf_map__fd(*map);
	return 1;
}

/* Finds a variable in the .rodata sections; returns its section's map. */
static struct bpf_map *find_constant(struct bpf_object *object, const char *name,
				     __u32 *offset, __u32 *size)
{
	const struct btf *btf = bpf_object__btf(object);

	for (__u32 id = 1; btf && id < btf__type_cnt(btf); id++) {
		const struct btf_type *section = btf__type_by_id(btf, id);
		const char *section_name = btf__name_by_offset(btf, section->name_off);

		if (!btf_is_datasec(section) || strncmp(section_name, ".rodata", 7))
			continue;
		const struct btf_var_secinfo *variable = btf_var_secinfos(section);

		for (int i = 0; i < btf_vlen(section); i++, variable++) {
			const struct btf_type *type = btf__type_by_id(btf, variable->type);

			if (strcmp(btf__name_by_offset(btf, type->name_off), name))
				continue;
			*offset = variable->offset;
			*size = variable->size;
			return bpf_object__find_map_by_name(object, section_name);
		}
	}
	return NULL;
}

/*
 * Sets a `const volatile` variable. -ENOENT: there is none of this name;
 * -EMSGSIZE: it has another size, which is written to *size.
 */
L4LB_EXPORT int l4lb_object_set_constant(struct bpf_object *object, const char *name,
					 const void *bytes, __u32 *size)
{
	__u32 offset, actual;
	size_t section_size;
	struct bpf_map *map = find_constant(object, name, &offset, &actual);
	/* The section as it will be loaded; libbpf says const only before 1.2. */
	char *section = map ? (char *)bpf_map__initial_value(map, &section_size) : NULL;

	if (!section)
		return -ENOENT;
	if (actual != *size || offset + actual > section_size) {
		*size = actual;
		return -EMSGSIZE;
	}
	memcpy(section + offset, bytes, actual);
	return 0;
}
