mod garbage;
mod messages;
mod parameters;
mod settings;
mod values;
