// The compiled mailbox of the worker, as in cpp/bindings, over sources whose steps have names.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "bindings.h"
#include "faults.h"

PYBIND11_MODULE(tr_faults_core, module) {
    using namespace tr::faults;
    tr::python::register_mailbox(module);
    module.def("arm", &arm);
    module.def("passages", &passages);
    module.def("disturb_rings", [](const std::string& fault, int nth) {
        disturb_rings(fault == "drop"     ? RingFault::drop
                      : fault == "delay"  ? RingFault::delay
                      : fault == "repeat" ? RingFault::repeat
                                          : RingFault::none,
                      nth);
    });
    module.def("disturbed_rings", &disturbed_rings);
}
