mod garbage;
mod messages;
mod parameters;
mod rows;
mod settings;
