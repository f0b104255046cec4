mod parameters;
mod rows;
mod settings;
