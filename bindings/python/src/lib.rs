//! The extension module of the Python package `picoformer`: the engine and the converter as they are. Arrays come
//! and go as bytes, answers as JSON; `python/picoformer` makes arrays and objects of them.

mod blob;
mod command;
mod failure;
mod outputs;
mod pieces;
mod question;
mod work;

use pyo3::prelude::*;

/// Functions and classes for the package's own Python; nothing here is public.
#[pymodule]
fn _native(module: &Bound<PyModule>) -> PyResult<()> {
    module.add("Error", module.py().get_type::<failure::Error>())?;
    module.add_class::<blob::Blob>()?;
    module.add_class::<pieces::Pieces>()?;
    module.add_function(wrap_pyfunction!(command::convert, module)?)?;
    module.add_function(wrap_pyfunction!(command::run, module)?)?;
    module.add_function(wrap_pyfunction!(command::panic, module)?)
}
