/** Every C function that the agent calls, by the library it is in. */
import { type NativeFunction, NativeLibrary } from './native-library.ts';

type IntFunction = NativeFunction<number>;

export interface NativeCalls {
  readonly bpf: {
    objectLoad: IntFunction;
    objectClose: IntFunction;
    findProgram: NativeFunction<bigint>;
    programFd: IntFunction;
    setMaxEntries: IntFunction;
    reuseFd: IntFunction;
    objGet: IntFunction;
    objPin: IntFunction;
    mapLookup: IntFunction;
    mapUpdate: IntFunction;
    mapDelete: IntFunction;
    programFdById: IntFunction;
    linkUpdate: IntFunction;
    linkDetach: IntFunction;
    possibleCpus: IntFunction;
  };
  readonly l4lb: {
    logCapture: IntFunction;
    logTake: IntFunction;
    objectOpen: IntFunction;
    objectSelect: IntFunction;
    nextMap: IntFunction;
    setConstant: IntFunction;
    programInfo: IntFunction;
    testRun: IntFunction;
    mapInfo: IntFunction;
    readBatch: IntFunction;
    perCpuSum: IntFunction;
    perCpuClear: IntFunction;
    mapMemory: IntFunction;
    attach: IntFunction;
    linkInfo: IntFunction;
    xdpQuery: IntFunction;
    tcxQuery: IntFunction;
    deviceIndex: IntFunction;
    filterSet: IntFunction;
    filterQuery: IntFunction;
    filterRemove: IntFunction;
    gracePeriod: IntFunction;
    maglevBuild: IntFunction;
  };
}

const P = 'pointer';
const I = 'int';

/** libbpf 1.x: every function here returns -errno itself, or NULL. */
function bindLibbpf(lib: NativeLibrary): NativeCalls['bpf'] {
  return {
    objectLoad: lib.int('bpf_object__load', P),
    objectClose: lib.int('bpf_object__close', P),
    findProgram: lib.pointer('bpf_object__find_program_by_name', P, P),
    programFd: lib.int('bpf_program__fd', P),
    setMaxEntries: lib.int('bpf_map__set_max_entries', P, I),
    reuseFd: lib.int('bpf_map__reuse_fd', P, I),
    objGet: lib.int('bpf_obj_get', P),
    objPin: lib.int('bpf_obj_pin', I, P),
    mapLookup: lib.int('bpf_map_lookup_elem', I, P, P),
    // The last argument is a __u64; as a pointer it takes a bigint.
    mapUpdate: lib.int('bpf_map_update_elem', I, P, P, P),
    mapDelete: lib.int('bpf_map_delete_elem', I, P),
    programFdById: lib.int('bpf_prog_get_fd_by_id', I),
    linkUpdate: lib.int('bpf_link_update', I, I, P),
    linkDetach: lib.int('bpf_link_detach', I),
    possibleCpus: lib.int('libbpf_num_possible_cpus'),
  };
}

function bindL4lb(lib: NativeLibrary): NativeCalls['l4lb'] {
  return {
    logCapture: lib.int('l4lb_log_capture'),
    logTake: lib.int('l4lb_log_take', P, I),
    objectOpen: lib.int('l4lb_object_open', P, P),
    objectSelect: lib.int('l4lb_object_select', P, P),
    nextMap: lib.int('l4lb_object_next_map', P, P, P, P, I, P),
    setConstant: lib.int('l4lb_object_set_constant', P, P, P, P),
    programInfo: lib.int('l4lb_program_info', I, P, P),
    testRun: lib.int('l4lb_test_run', I, P, I, P, P, I, I, I, P),
    mapInfo: lib.int('l4lb_map_info', I, P),
    readBatch: lib.int('l4lb_map_read_batch', I, I, P, P, P, P),
    perCpuSum: lib.int('l4lb_percpu_sum', I, I, I, I, I, P),
    perCpuClear: lib.int('l4lb_percpu_clear', I, I, I, I, I),
    mapMemory: lib.int('l4lb_map_memory', I, I, P, P),
    attach: lib.int('l4lb_attach', I, I, I),
    linkInfo: lib.int('l4lb_link_info', I, P),
    xdpQuery: lib.int('l4lb_xdp_query', I, P),
    tcxQuery: lib.int('l4lb_tcx_query', I, I, P, P),
    deviceIndex: lib.int('l4lb_device_index', P),
    filterSet: lib.int('l4lb_filter_set', I, I, I),
    filterQuery: lib.int('l4lb_filter_query', I, I, P),
    filterRemove: lib.int('l4lb_filter_remove', I, I),
    gracePeriod: lib.int('l4lb_grace_period'),
    maglevBuild: lib.int('l4lb_maglev_build', I, I, P, P, P),
  };
}

/** Opens both libraries and has libbpf's messages kept. Throws what the dynamic linker says. */
export function bindNativeCalls(libbpfPath: string, libl4lbPath: string): NativeCalls {
  const calls = {
    bpf: bindLibbpf(new NativeLibrary(libbpfPath)),
    l4lb: bindL4lb(new NativeLibrary(libl4lbPath)),
  };
  calls.l4lb.logCapture();
  return calls;
}
